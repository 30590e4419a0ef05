"""Measurements of an image that do not depend on what it shows; each file is decoded once."""

import base64
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from adapt.checks.findings.thumbnails import thumbnail
from adapt.common.arrays import ByteArray
from adapt.common.content import content_hash
from adapt.data.decoding.formats import suffix_fits
from adapt.data.decoding.open import Facts, ImageError, inspect_image

REFERENCE = 256
"""Longer side, in pixels, at which brightness and sharpness are measured: about what a model sees.
Smaller images are not enlarged, which would blur them."""
SMOOTHING = 0.7
"""In pixels; without it, the noise of JPEG and of 8 bits would look like sharp edges."""
OUTLIERS = 0.01
"""Fraction of the darkest and of the lightest pixels that are ignored."""
CHUNK = 1024


@dataclass(frozen=True)
class Picture:
    """The measurements of one file; every value can be written as JSON."""

    sha256: str
    """Of the bytes of the file; empty when they cannot be read."""
    error: str | None = None
    """Why it cannot be used; all that follows is then empty."""
    width: int = 0
    """In pixels, upright."""
    height: int = 0
    format: str = ""
    """By content, such as `JPEG`."""
    mode: str = ""
    """Pillow's, as stored."""
    frames: int = 1
    """Of an animation, or pages."""
    suffix_matches: bool = True
    """Whether the suffix of the file name fits the format."""
    notes: tuple[str, ...] = ()
    """What was done to decode it: see `adapt.data.decoding.open.Facts`."""
    brightness: float = 0.0
    """Mean luma, 0 to 1."""
    contrast: float = 0.0
    """Standard deviation of luma."""
    darkest: float = 0.0
    """Luma below which are `OUTLIERS` of the pixels."""
    lightest: float = 0.0
    """Luma above which are `OUTLIERS` of the pixels."""
    variation: float = 0.0
    """Largest standard deviation of red, green and blue, not 0 for colours of equal brightness."""
    sharpness: float = 0.0
    """Of the edges, at `REFERENCE`: see `sharpness`."""
    thumbnail: str = ""
    """Base64 of what `adapt.checks.findings.thumbnails.thumbnail` gives."""


def measure(
    paths: Sequence[str],
    also: Callable[[int, Image.Image], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Picture]:
    """Decode every file once, in threads, and measure it.

    Args:
        paths: Files; one that cannot be read becomes a `Picture` with an `error`.
        also: Called with the position and the decoded RGB image of each readable file, from
            several threads and in any order, so that nothing needs to be decoded again.
        progress: Called now and then with the number of files that are done.

    Returns:
        One `Picture` per path, in their order.

    >>> measure(["/no/such/file"])[0].error
    'no such file'
    """
    pictures: list[Picture] = []
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        # In pieces, so that a million images do not wait in memory as a million tasks.
        for start in range(0, len(paths), CHUNK):
            part = range(start, min(start + CHUNK, len(paths)))
            for picture in pool.map(_measured, part, paths[start : part.stop], repeat(also)):
                pictures.append(picture)
                done = len(pictures)
                if progress is not None and (done % 32 == 0 or done == len(paths)):
                    progress(done)
    return pictures


def _measured(index: int, path: str, also: Callable[[int, Image.Image], None] | None) -> Picture:
    try:
        image, facts = inspect_image(path)
    except ImageError as error:
        # A pipe or device, which is refused too, must not be read: that would wait for ever.
        return Picture(content_hash(path) if _is_readable(path) else "", error.reason)
    if also is not None:
        also(index, image)
    small = _at_reference(image)
    luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    darkest, lightest = _ends(luma)
    return replace(
        decoded_picture(path, content_hash(path), facts),
        brightness=_short(luma.mean() / 255),
        contrast=_short(luma.std() / 255),
        darkest=darkest,
        lightest=lightest,
        variation=_short(max(cv2.meanStdDev(small)[1].ravel()) / 255),
        sharpness=_short(sharpness(luma)),
        thumbnail=base64.b64encode(thumbnail(small)).decode("ascii"),
    )


def decoded_picture(path: str, sha256: str, facts: Facts | None) -> Picture:
    """What decoding alone has shown of an image.

    Args:
        path: The file.
        sha256: Of its bytes.
        facts: From `inspect_image`; None where it was not decoded.
    """
    if facts is None:
        return Picture(sha256)
    return Picture(
        sha256=sha256,
        width=facts.size[0],
        height=facts.size[1],
        format=facts.format,
        mode=facts.mode,
        frames=facts.frames,
        suffix_matches=suffix_fits(path, facts.format),
        notes=tuple(facts.notes()),
    )


def _is_readable(path: str) -> bool:
    try:
        return Path(path).is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError):
        return False


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _at_reference(image: Image.Image) -> ByteArray:
    longest = max(image.size)
    if longest > REFERENCE:
        width, height = (max(1, round(side * REFERENCE / longest)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image)


def _ends(luma: ByteArray) -> tuple[float, float]:
    counts = np.bincount(luma.ravel(), minlength=256).cumsum() / luma.size
    low, high = np.searchsorted(counts, (OUTLIERS, 1 - OUTLIERS))
    return _short(low / 255), _short(high / 255)


def sharpness(luma: ByteArray) -> float:
    """How steep the edges of an image are, independent of their number and contrast.

    The mean square of the Laplacian over the mean square of the gradient, after `SMOOTHING`. The
    usual variance of the Laplacian (Pech-Pacheco et al., 2000) also grows with the number and
    contrast of edges: a plain drawing would count as blurred.

    Args:
        luma: (H, W) uint8.

    Returns:
        0 for a uniform image; 1 / (2 s s) for an edge whose smoothed profile is a Gaussian of `s`
        pixels.
    """
    edge = cv2.BORDER_REPLICATE
    values = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), SMOOTHING, borderType=edge)
    curved = cv2.Laplacian(values, cv2.CV_32F, borderType=edge)
    right = cv2.Sobel(values, cv2.CV_32F, 1, 0, ksize=1, scale=0.5, borderType=edge)
    down = cv2.Sobel(values, cv2.CV_32F, 0, 1, ksize=1, scale=0.5, borderType=edge)
    steep = float(np.square(right).mean() + np.square(down).mean())
    return float(np.square(curved).mean()) / steep if steep > 0 else 0.0
