"""Images with and without faults, and their places."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.measure import Picture, measure

GOOD = Picture(
    "0", None, 64, 64, "PNG", "RGB", brightness=0.5, contrast=0.2, darkest=0.1, lightest=0.9,
    variation=0.2, sharpness=1.0,
)  # fmt: skip


def texture(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """Blobs of several sizes with sharp edges, in colour."""
    noise = np.random.default_rng(seed).normal(size=(size[1], size[0], 3))
    blobs = sum(ndimage.gaussian_filter(noise, (s, s, 0)) * s for s in (2, 5, 11))
    steps = np.digitize(blobs, np.quantile(blobs, [0.2, 0.4, 0.6, 0.8]))
    return Image.fromarray((30 + 48 * steps).astype(np.uint8))


def blurred(image: Image.Image, pixels: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(pixels))


def places(count: int, split: str = "train") -> list[Place]:
    return [Place(split, f"cat/{number}.png", "cat") for number in range(count)]


def by_kind(found: list[Finding]) -> dict[str, Finding]:
    assert len({one.kind for one in found}) == len(found)
    return {one.kind: one for one in found}


def save_all(folder: Path, images: list[Image.Image]) -> list[Picture]:
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    return measure([str(folder / f"{number}.png") for number in range(len(images))])
