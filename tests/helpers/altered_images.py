"""Photos and what may be done to a copy of one."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance
from scipy import ndimage

from adapt.checks.findings.measure import Picture, measure
from adapt.checks.findings.thumbnails import Thumbnails, thumbnail


def photo(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A spectrum like that of photos: power falls with the square of the frequency."""
    noise = np.random.default_rng(seed).normal(size=(size[1], size[0], 3))
    rough = sum(ndimage.gaussian_filter(noise, (s, s, 0)) * s for s in (2, 4, 8, 16))
    low, high = np.quantile(rough, [0.01, 0.99])
    return Image.fromarray(
        np.clip(40 + 175 * (rough - low) / (high - low), 0, 255).astype(np.uint8)
    )


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def logo(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).rectangle((104, 78, 119, 89), fill=(255, 0, 255))
    return image


def framed(image: Image.Image) -> Image.Image:
    larger = Image.new("RGB", (image.width + 6, image.height + 6))
    larger.paste(image, (3, 3))
    return larger


ALTERED = {
    "jpeg": lambda image: jpeg(image, 30),
    "smaller": lambda image: image.resize((60, 45), Image.Resampling.BICUBIC),
    "larger": lambda image: image.resize((180, 135), Image.Resampling.BICUBIC),
    "squashed": lambda image: image.resize((100, 100), Image.Resampling.BICUBIC),
    "cropped": lambda image: image.crop((3, 1, 118, 88)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.85),
    "logo": logo,
    "framed": framed,
}


def thumbnails(images: list[Image.Image]) -> Thumbnails:
    rows = [np.frombuffer(thumbnail(np.asarray(image)), np.uint8) for image in images]
    return Thumbnails(np.stack(rows))


def pictures(images: list[Image.Image], folder: Path) -> list[Picture]:
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    return measure([str(folder / f"{number}.png") for number in range(len(images))])
