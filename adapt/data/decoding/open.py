"""The one door through which every image comes in: decoded, upright, opaque, 8-bit sRGB.

Nothing is trusted but the bytes. The format is recognised by content and must be on an allow-list,
the pixel budget is checked on the header, and a file that does not decode to its last pixel is
refused with its name and the reason. What becomes of colours is said in `colours`, of arrays and
tensors in `arrays`.

One image takes at most 8 bytes of memory per pixel, 512 MB at the budget of 64 million: it is held
twice, at 4 bytes per pixel, while it is converted and turned. A JPEG above `EXACT_PIXELS` is
decoded at a half of its size, which takes a quarter of that; a progressive one needs its
coefficients beside, up to 6 bytes per pixel.
"""

import io
import math
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from adapt.data.decoding.arrays import array_pixels, is_tensor
from adapt.data.decoding.colours import to_srgb
from adapt.data.decoding.formats import AGAIN, DAMAGED, START, formats_for, refuse, unidentified
from adapt.data.decoding.formats import ImageError as ImageError

if TYPE_CHECKING:
    from torch import Tensor

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Tensor"
MAX_PIXELS = 64_000_000
EXACT_PIXELS = 32_000_000
"""Up to here every image is decoded exactly; a larger JPEG is decoded at a fraction of its size."""
SHORTEST = 1024
"""A JPEG above `EXACT_PIXELS` is left this many pixels on its shorter side. Resized to 224 pixels,
it differs from the exact path by at most 1.1 of 255 in the mean, to 448 by 1.5: measured on mosaics
of small photos, of which every pixel is sharp."""
WHITE = (255, 255, 255)
REDUCE_ABOVE = 3
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Facts:
    """What an image is and what was done to show it."""

    format: str
    """By content, such as `JPEG`; empty for what came from memory and does not know."""
    mode: str
    """Pillow's mode as stored, such as `I;16`; the type of an array."""
    size: tuple[int, int]
    """Width and height of the whole image, upright."""
    frames: int = 1
    """Frames of an animation or pages; views that a camera adds to a JPEG (MPO) do not count."""
    orientation: int = 1
    """EXIF orientation that was applied, 1 to 8; 1 for HEIC, which has its own."""
    broken_exif: bool = False
    """Whether there is EXIF that cannot be read."""
    profile: str = ""
    """Name of the embedded colour profile."""
    converted: bool = False
    """Whether the colours were converted by it; not when it is sRGB itself."""
    profile_problem: str = ""
    """Why the profile was ignored."""
    rescaled: bool = False
    """Whether its values had more than 8 bits."""
    composited: bool = False
    """Whether parts are transparent."""
    reduced: int = 1
    """By how much its sides were divided while it was decoded, because it is very large."""

    def notes(self) -> list[str]:
        """What is worth knowing, a few words each."""
        said = {
            f"first of {self.frames} frames": self.frames > 1,
            f"turned upright from EXIF orientation {self.orientation}": self.orientation > 1,
            "broken EXIF ignored": self.broken_exif,
            f"colours converted from {self.profile or 'its profile'} to sRGB": self.converted,
            f"colour profile ignored: {self.profile_problem}": bool(self.profile_problem),
            f"values of {self.mode} brought to 8 bits": self.rescaled,
            "transparent parts shown on the background": self.composited,
            f"decoded at 1/{self.reduced} of its size": self.reduced > 1,
        }
        return [note for note, holds in said.items() if holds]


@dataclass(frozen=True)
class _Wish:
    max_pixels: int
    background: tuple[int, int, int]
    at_least: int | None = None
    examine: bool = False


def open_image(
    source: ImageSource,
    max_pixels: int = MAX_PIXELS,
    background: tuple[int, int, int] = WHITE,
    at_least: int | None = None,
) -> Image.Image:
    """Decode one image completely into upright, opaque 8-bit sRGB.

    The first frame of animations and multi-page files is taken. EXIF orientation is applied,
    broken EXIF ignored. Embedded colour profiles are converted. Transparency of any kind is
    composited on `background`. One-bit images become black and white. Values with more than 8
    bits are rescaled, never clipped: see `adapt.data.decoding.colours`.

    A JPEG of more than `EXACT_PIXELS` is decoded at a half of its size (a quarter, an eighth where
    that is needed to come below) unless that leaves less than `SHORTEST`; all else is exact. With
    `at_least` a JPEG is decoded at 1/8, 1/4 or 1/2 of its size where that divides both sides
    and leaves `REDUCE_ABOVE` times `at_least` on the shorter one. Once it is resized to `at_least`,
    99 % of photos differ from the exact path by less than 1/255 in the mean of their pixels
    (0.4 to 0.5 for a typical one; with a factor of 2 it would be 0.8 to 1.0, and up to 1.9). Photos
    of 6 and 12 megapixels are read for a model of 224 pixels 3.0 and 3.4 times as fast
    (`bench/decoding.py`). It is meant for training: whatever is scored is read exactly.

    Args:
        source: A file, its bytes, a PIL image, an array or a tensor: of bool, uint8, uint16, or
            floats from 0 to 1; see `adapt.data.decoding.arrays`.
        max_pixels: Largest width times height; checked on the header, before decoding.
        background: Colour behind transparent parts.
        at_least: Shorter side in pixels that the image will be resized to; None to read exactly.

    Returns:
        A new RGB image without metadata, independent of the source.

    Raises:
        ImageError: When it cannot be read; `.path` and `.reason` say which and why.
    """
    return _opened(source, _Wish(max_pixels, background, at_least))[0]


def inspect_image(
    source: ImageSource,
    max_pixels: int = MAX_PIXELS,
    background: tuple[int, int, int] = WHITE,
) -> tuple[Image.Image, Facts]:
    """Decode one image exactly as `open_image` does, and say what it is and what was done to it.

    Args:
        source: As for `open_image`.
        max_pixels: As for `open_image`.
        background: As for `open_image`.

    Returns:
        The image and the facts.

    Raises:
        ImageError: When it cannot be read; `.path` and `.reason` say which and why.
    """
    return _opened(source, _Wish(max_pixels, background, examine=True))


def _opened(source: ImageSource, wish: _Wish) -> tuple[Image.Image, Facts]:
    if isinstance(source, np.ndarray) or is_tensor(source):
        return _from_array(source, wish)
    if isinstance(source, Image.Image):
        _check_pixels("<image>", source.size, wish.max_pixels)
        with _strict_decoding():
            return _finish("<image>", source, wish)
    if isinstance(source, bytes):
        with io.BytesIO(source) as stream:
            return _decode("<bytes>", stream, len(source), wish)
    if not isinstance(source, (str, os.PathLike)):
        kind = type(source)
        given = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        advice = "give a path, the bytes of a file, a PIL image, an array or a tensor"
        raise refuse("<input>", "not an image", given, advice)
    path = os.fspath(source)
    size = _file_size(path)
    try:
        with Path(path).open("rb") as stream:
            return _decode(path, stream, size, wish)
    except OSError as error:
        raise refuse(path, "cannot be read", str(error), "check that you may read it") from error


def _file_size(path: str) -> int:
    try:
        state = Path(path).stat()
    except FileNotFoundError:
        raise refuse(path, "no such file", "given as an image", "check the path") from None
    except (OSError, ValueError) as error:
        raise refuse(path, "cannot be read", str(error), "check the path") from error
    # Opening a named pipe would wait for ever.
    if not stat.S_ISREG(state.st_mode):
        kind = "a folder" if stat.S_ISDIR(state.st_mode) else "a device or pipe"
        raise refuse(path, "not a file", kind, "give an image file")
    return state.st_size


def _decode(path: str, stream: BinaryIO, size: int, wish: _Wish) -> tuple[Image.Image, Facts]:
    if size == 0:
        raise refuse(path, "empty file", "0 bytes", AGAIN)
    start = stream.read(START)
    stream.seek(0)
    try:
        with _strict_decoding(), Image.open(stream, formats=formats_for(start)) as image:
            _check_pixels(path, image.size, wish.max_pixels)
            return _finish(path, image, wish, owned=True)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise unidentified(path, start) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        number = re.search(r"\d+", str(error))
        given = number.group() if number else "too many"
        raise _too_large(path, given, wish.max_pixels) from error
    except Exception as error:
        raise refuse(path, DAMAGED, f"{size} bytes, {error}", AGAIN) from error


def _check_pixels(path: str, size: tuple[int, ...], max_pixels: int) -> None:
    width, height = (*size, 0, 0)[:2]
    if width * height == 0:
        raise refuse(path, "has no pixels", f"{width} x {height}", "give an image with content")
    if width * height > max_pixels:
        raise _too_large(path, f"{width} x {height} = {width * height}", max_pixels)


def _too_large(path: str, pixels: str, max_pixels: int) -> ImageError:
    advice = f"make it smaller than {max_pixels} pixels, or raise max_pixels if you trust it"
    return refuse(path, "too many pixels", f"{pixels} pixels in the header", advice)


_lock = threading.Lock()
_strict: dict[str, Any] = {"inside": 0, "before": False}


@contextmanager
def _strict_decoding() -> Iterator[None]:
    """Hold off `LOAD_TRUNCATED_IMAGES`, which another library may have turned on, while inside."""
    with _lock:
        if _strict["inside"] == 0:
            _strict["before"] = ImageFile.LOAD_TRUNCATED_IMAGES
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        _strict["inside"] += 1
    try:
        yield
    finally:
        with _lock:
            _strict["inside"] -= 1
            if _strict["inside"] == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = _strict["before"]


def _finish(
    path: str, image: Image.Image, wish: _Wish, owned: bool = False
) -> tuple[Image.Image, Facts]:
    """Decode, convert and turn; an owned image is closed."""
    kind = "JPEG" if image.format == "MPO" else image.format or ""
    mode, size, deep = image.mode, image.size, _is_deep(image)
    try:
        reduced = _reduce(image, wish) if owned and kind == "JPEG" else 1
        # Pillow turns TIFF while loading it; the others tell for sure only afterwards.
        before = _orientation(image) if kind == "TIFF" else 1
        image.load()
        left = _orientation(image)
        frames = _frames(image) if wish.examine else 1
        broken_exif = wish.examine and _broken_exif(image)
        colours = to_srgb(image, wish.background)
        if owned:
            image.close()  # frees its pixels before others are made
        upright = colours.image.transpose(TURNS[left]) if left in TURNS else colours.image
    except ImageError as error:
        raise ImageError(str(error).replace("<array>", path, 1), path, error.reason) from error
    # Pillow's plugins raise whatever damaged bytes lead to, from struct.error to AttributeError.
    except Exception as error:
        given = f"{kind or 'image'} of {size[0]} x {size[1]}, {error}"
        raise refuse(path, DAMAGED, given, AGAIN) from error
    turned = left if before == 1 else before
    whole = upright.size if reduced == 1 else size[::-1] if left > 4 else size
    return upright, Facts(
        format=kind,
        mode=mode,
        size=whole,
        frames=frames,
        orientation=turned if turned in TURNS else 1,
        broken_exif=broken_exif,
        profile=colours.profile.name,
        converted=colours.profile.transform is not None,
        profile_problem=colours.profile.problem,
        rescaled=colours.rescaled or deep,
        composited=colours.composited,
        reduced=reduced,
    )


def _reduce(image: Image.Image, wish: _Wish) -> int:
    """Have a JPEG decoded at a fraction of its size where that is wished; the divisor."""
    scale = 1
    if wish.at_least is not None:
        scale = _training_scale(image.size, REDUCE_ABOVE * wish.at_least)
    while math.prod(image.size) > EXACT_PIXELS * scale**2 and scale < 8:
        if min(image.size) < SHORTEST * 2 * scale:
            break
        scale *= 2
    if scale > 1:
        image.draft(image.mode, (image.width // scale, image.height // scale))
    return scale


def _training_scale(size: tuple[int, int], shortest: int) -> int:
    for scale in (8, 4, 2):
        # A side that does not divide would be rounded, and what is resized from it moved.
        if min(size) // scale >= shortest and not (size[0] % scale or size[1] % scale):
            return scale
    return 1


def _is_deep(image: Image.Image) -> bool:
    """Whether a decoder is about to read 16 bits into an 8-bit mode."""
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    # Broken EXIF raises anything; the pixels are fine, so they are kept as they are.
    except Exception:
        return 1


def _broken_exif(image: Image.Image) -> bool:
    try:
        # By itself: Pillow's `getexif` raises the first time only.
        Image.Exif().load(image.info.get("exif") or b"")
    except Exception:
        return True
    return False


def _frames(image: Image.Image) -> int:
    if image.format == "MPO":
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    # The first frame is whole; one that follows may be damaged in any way.
    except Exception:
        return 1


def _from_array(source: "np.ndarray | Tensor", wish: _Wish) -> tuple[Image.Image, Facts]:
    pixels = array_pixels(source, wish.max_pixels)
    colours = to_srgb(Image.fromarray(pixels), wish.background)
    mode = str(source.dtype).removeprefix("torch.")
    rescaled = mode not in ("uint8", "bool")
    size = colours.image.size
    return colours.image, Facts("", mode, size, rescaled=rescaled, composited=colours.composited)
