"""From the colours of any decoded image to opaque 8-bit sRGB: modes, profiles, transparency.

Stated conversions, by Pillow's mode:

- `1`: black and white. `L`, `RGB`: kept. `P`: the palette's colours. `YCbCr`, `LAB`: by Pillow.
- `LA`, `PA`, `RGBA` and a transparent colour of `1`, `L`, `P`, `RGB`, `I;16`: composited.
- `I;16`: divided by 257 and rounded, never clipped; so is `I` where a PGM or PNG of 16 bits became
  that, while other integers of 32 bits are refused. `F`: floats from 0 to 1; see `arrays`. (RGB of
  16 bits comes from Pillow's own decoders as the higher byte of each value.)
- `CMYK` without a profile: red = (255 - C)(255 - K) / 255, likewise green and blue. JPEG files
  store CMYK inverted, as Adobe does; Pillow turns them.
- An embedded ICC profile for grey, RGB or CMYK is converted to sRGB by LittleCMS, relative
  colorimetric with black point compensation. One that moves no colour by more than `SAME` of 255
  is sRGB itself: the pixels stay as they are. One that is broken, larger than `LARGEST`, or made
  for other channels than the image has is ignored. What only names its colours (the EXIF colour
  space, `gAMA`, `cICP`, nclx) is read as sRGB.
"""

import io
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageCms

from adapt.data.decoding.arrays import to_uint8

SAME = 3
LARGEST = 4 * 2**20
SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
SIXTEEN_AS_I = ("PPM", "PNG")
"""Formats of which Pillow reads 16 bits into 32, at the scale of 16."""
BAND = 1_000_000
"""Pixels that are converted at once."""
BROKEN = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError, ImportError)


@dataclass(frozen=True)
class Profile:
    """An embedded colour profile and what is to be done with it."""

    name: str
    """What it calls itself."""
    transform: ImageCms.ImageCmsTransform | None
    """To sRGB; None when the pixels stay as they are."""
    problem: str
    """Why it is ignored; empty when it is not."""


NO_PROFILE = Profile("", None, "")


@dataclass(frozen=True)
class Colours:
    """An opaque sRGB image and what was done to its colours."""

    image: Image.Image
    rescaled: bool
    """Whether its values had more than 8 bits."""
    composited: bool
    """Whether some of it was transparent."""
    profile: Profile
    """The embedded profile, or `NO_PROFILE`."""


def to_srgb(image: Image.Image, background: tuple[int, int, int]) -> Colours:
    """Bring a decoded image to opaque 8-bit sRGB; see the module for what becomes of each mode.

    Large images are converted in bands of rows, so that beside the image and the result only
    little memory is needed.

    Args:
        image: Loaded image of any mode.
        background: Colour behind transparent parts, in sRGB.

    Returns:
        A new RGB image without metadata, and what was done.

    Raises:
        ImageError: When a value is NaN or infinite, or its scale is not known.

    >>> to_srgb(Image.new("LA", (1, 1), (0, 255)), (255, 255, 255)).image.getpixel((0, 0))
    (0, 0, 0)
    """
    rows = max(BAND // image.width, 1)
    if image.height <= rows:
        return _converted(image, background)
    whole, parts = Image.new("RGB", image.size), []
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        band.format = image.format
        parts.append(_converted(band, background))
        whole.paste(parts[-1].image, (0, top))
        parts[-1].image.close()
    composited = any(part.composited for part in parts)
    return Colours(whole, parts[0].rescaled, composited, parts[0].profile)


def _converted(image: Image.Image, background: tuple[int, int, int]) -> Colours:
    rescaled = image.mode == "F" or image.mode.startswith("I")
    data = image.info.get("icc_profile")
    if rescaled:
        image = _eight_bits(image)
    profile, image = _apply(data, image) if data else (NO_PROFILE, image)
    flat, composited = _flatten(image, background)
    flat.info = {}
    return Colours(flat, rescaled, composited, profile)


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "I" and image.format in SIXTEEN_AS_I:
        values = values.astype(np.uint16)
    grey = Image.fromarray(to_uint8(values))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(to_uint8(values != clear)))
    return grey


def _flatten(image: Image.Image, background: tuple[int, int, int]) -> tuple[Image.Image, bool]:
    if not image.has_transparency_data:
        return image.convert("RGB"), False
    layer = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
    if layer.getchannel("A").getextrema() == (255, 255):
        return layer.convert("RGB"), False
    ground = Image.new("RGBA", layer.size, (*background, 255))
    return Image.alpha_composite(ground, layer).convert("RGB"), True


def _apply(data: bytes, image: Image.Image) -> tuple[Profile, Image.Image]:
    """The profile, and the image in sRGB colours with the transparency it had."""
    mode = image.mode if image.mode == "CMYK" else "RGB"
    mode = "L" if image.mode in ("1", "L", "LA", "La") else mode
    profile = read_profile(data, mode)
    if profile.transform is None:
        return profile, image
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if mode == "L" else "RGBA")
        alpha = image.getchannel("A")
    converted = profile.transform.apply(image.convert(mode))
    if alpha is not None:
        converted.putalpha(alpha)
    return profile, converted


@lru_cache(maxsize=8)
def read_profile(data: bytes, mode: str) -> Profile:
    """Understand an ICC profile, once for all the images that carry the same.

    Args:
        data: Bytes of the profile.
        mode: Pillow's mode of the image, without transparency: `L`, `RGB` or `CMYK`.

    Returns:
        Its name with the way to sRGB, or why it is ignored.

    >>> read_profile(b"nonsense", "RGB").problem
    'it is damaged'
    """
    if len(data) > LARGEST:
        return Profile("", None, f"it has {len(data)} bytes, more than {LARGEST}")
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(data))
        name = _printable(ImageCms.getProfileDescription(given))
        space = given.profile.xcolor_space.strip()
        if space != SPACES[mode]:
            return Profile(name, None, f"it is for {_printable(space)}, the image is {mode}")
        transform = _transform(given, mode)
        same = mode != "CMYK" and _moves(transform, mode) <= SAME
    except BROKEN:
        return Profile("", None, "it is damaged")
    return Profile(name, None if same else transform, "")


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _transform(given: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        given,
        _srgb(),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _moves(transform: ImageCms.ImageCmsTransform, mode: str) -> int:
    """Largest change of a value over all greys, or a lattice of 17 x 17 x 17 colours."""
    steps = np.linspace(0, 255, 256 if mode == "L" else 17).round().astype(np.uint8)
    probe = steps[None] if mode == "L" else np.stack(np.meshgrid(steps, steps, steps), -1)
    probe = probe if mode == "L" else probe.reshape(17, -1, 3)
    seen = np.asarray(transform.apply(Image.fromarray(probe))).astype(int)
    return int(np.abs(seen - (probe[:, :, None] if mode == "L" else probe)).max())


def _printable(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable()).strip()[:60]
