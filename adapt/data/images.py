"""The one door through which every image comes in: decoded, upright, opaque, 8-bit RGB.

Nothing is trusted but the bytes. The format is told by content and must be on an allow-list, the
pixel budget is checked on the header, and a file that does not decode to its last pixel is
refused with its name and the reason.
"""

import io
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError, features

from adapt.errors import DataError

ImageSource: TypeAlias = str | Path | bytes | Image.Image | np.ndarray
MAX_PIXELS = 64_000_000
WHITE = (255, 255, 255)
DAMAGED = "damaged or truncated image"
AGAIN = "copy or export the image again"

ALWAYS_READ = ["JPEG", "PNG", "BMP", "GIF", "PPM"]
READ_IF_BUILT_IN = {"WEBP": "webp", "TIFF": "libtiff", "AVIF": "avif"}
FORMATS = ALWAYS_READ + [name for name, part in READ_IF_BUILT_IN.items() if features.check(part)]

IMAGE_STARTS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"BM",
    b"II*\0",
    b"MM\0*",
)
FOREIGN_STARTS = {
    b"%PDF": "a PDF",
    b"%!PS": "PostScript (EPS)",
    b"\xc5\xd0\xd3\xc6": "PostScript (EPS)",
    b"8BPS": "a Photoshop file (PSD)",
    b"SIMPLE": "a FITS file",
    b"\xd7\xcd\xc6\x9a": "a Windows metafile",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
}
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


class ImageError(DataError):
    """One image cannot be used.

    Attributes:
        path: The file, or `<bytes>`, `<image>`, `<array>` for what came from memory.
        reason: What is wrong, in a few words (`empty file`, `not an image: text`, ...).
    """

    def __init__(self, message: str, path: str = "", reason: str = "") -> None:
        """The message alone rebuilds the error in another process."""
        super().__init__(message)
        self.path = path
        self.reason = reason


def _refuse(path: str, reason: str, given: str, advice: str) -> ImageError:
    return ImageError(f"{path} - {reason} - {given} - {advice}", path, reason)


def open_image(
    source: ImageSource,
    max_pixels: int = MAX_PIXELS,
    background: tuple[int, int, int] = WHITE,
) -> Image.Image:
    """Decode one image completely into upright, opaque 8-bit RGB.

    The first frame of animations and multi-page files is taken. EXIF orientation is applied,
    broken EXIF ignored. Transparency of any kind is composited on `background`. One-bit images
    become black and white. Values with more than 8 bits are rescaled, never clipped: see
    `to_uint8`.

    Args:
        source: A file, its bytes, a PIL image, or an array (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4) of bool, integer or float.
        max_pixels: Largest width times height; checked on the header, before decoding.
        background: Colour behind transparent parts.

    Returns:
        A new RGB image, independent of the source.

    Raises:
        ImageError: When it cannot be read; `.path` and `.reason` say which and why.

    >>> open_image(np.array([[[200, 0, 0, 0]]], dtype=np.uint8)).getpixel((0, 0))
    (255, 255, 255)
    >>> open_image(b"")
    Traceback (most recent call last):
    adapt.data.images.ImageError: <bytes> - empty file - 0 bytes - copy or export the image again
    """
    if isinstance(source, np.ndarray):
        _check_pixels("<array>", source.shape[1::-1], max_pixels)
        return _flatten(_from_array(source), background)
    if isinstance(source, Image.Image):
        _check_pixels("<image>", source.size, max_pixels)
        with _strict_decoding():
            return _finish("<image>", source, background)
    if isinstance(source, bytes):
        with io.BytesIO(source) as stream:
            return _decode("<bytes>", stream, len(source), max_pixels, background)
    path = str(source)
    size = _file_size(path)
    try:
        with Path(path).open("rb") as stream:
            return _decode(path, stream, size, max_pixels, background)
    except OSError as error:
        raise _refuse(path, "cannot be read", str(error), "check that you may read it") from error


def _file_size(path: str) -> int:
    try:
        state = Path(path).stat()
    except FileNotFoundError:
        raise _refuse(path, "no such file", "the path leads nowhere", "check it") from None
    except (OSError, ValueError) as error:
        raise _refuse(path, "cannot be read", str(error), "check the path") from error
    # Opening a named pipe would wait for ever.
    if not stat.S_ISREG(state.st_mode):
        kind = "a folder" if stat.S_ISDIR(state.st_mode) else "a device or pipe"
        raise _refuse(path, "not a file", kind, "give an image file")
    return state.st_size


def _decode(
    path: str, stream: BinaryIO, size: int, max_pixels: int, background: tuple[int, int, int]
) -> Image.Image:
    if size == 0:
        raise _refuse(path, "empty file", "0 bytes", AGAIN)
    try:
        with _strict_decoding(), Image.open(stream, formats=FORMATS) as image:
            _check_pixels(path, image.size, max_pixels)
            return _finish(path, image, background)
    except ImageError:
        raise
    except UnidentifiedImageError:
        stream.seek(0)
        raise _unidentified(path, stream.read(512)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        found = re.search(r"\d+", str(error))
        raise _too_large(path, f"{found.group() if found else 'too many'}", max_pixels) from error
    except Exception as error:
        raise _refuse(path, DAMAGED, f"{size} bytes, {error}", AGAIN) from error


def _unidentified(path: str, start: bytes) -> ImageError:
    advice = f"give one of {', '.join(FORMATS)}"
    if start.startswith(IMAGE_STARTS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        given = "its first bytes are those of an image, the rest cannot be read"
        return _refuse(path, DAMAGED, given, AGAIN)
    if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS:
        return _refuse(path, "HEIC is not read", "a HEIC photo", "convert it to JPEG or PNG")
    for mark, kind in FOREIGN_STARTS.items():
        if start.startswith(mark):
            return _refuse(path, "not an image that is read", kind, advice)
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return _refuse(path, "not an image that is read", "an SVG drawing", advice)
    if head.startswith((b"<!doctype", b"<html")):
        return _refuse(path, "not an image", "an HTML page", "download the image itself")
    kind = "text" if b"\0" not in start and start.isascii() else "unknown bytes"
    return _refuse(path, "not an image", kind, advice)


def _check_pixels(path: str, size: tuple[int, ...], max_pixels: int) -> None:
    width, height = (*size, 0, 0)[:2]
    if width * height == 0:
        raise _refuse(path, "has no pixels", f"{width} x {height}", "give an image with content")
    if width * height > max_pixels:
        raise _too_large(path, f"{width} x {height} = {width * height}", max_pixels)


def _too_large(path: str, pixels: str, max_pixels: int) -> ImageError:
    advice = f"make it smaller than {max_pixels} pixels, or raise max_pixels if you trust it"
    return _refuse(path, "too many pixels", f"{pixels} pixels in the header", advice)


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


def _finish(path: str, image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    try:
        image.load()
        return _flatten(_upright(image), background)
    except ImageError as error:
        raise ImageError(str(error).replace("<array>", path, 1), path, error.reason) from error
    # Pillow's plugins raise whatever damaged bytes lead to, from struct.error to AttributeError.
    except Exception as error:
        given = f"{image.format or 'image'} of {image.width} x {image.height}, {error}"
        raise _refuse(path, DAMAGED, given, AGAIN) from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    # Broken EXIF raises anything too; the pixels are fine, so they are kept as they are.
    except Exception:
        return image.copy()


def _flatten(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(to_uint8(np.asarray(image)))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (*background, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        advice = "give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        raise _refuse("<array>", "not the shape of an image", f"shape {array.shape}", advice)
    return Image.fromarray(np.ascontiguousarray(to_uint8(array)))


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Bring brightness values of any type to 0..255, rescaled and rounded, never clipped.

    Bool becomes 0 and 255, uint8 stays, uint16 is divided by 257. Wider integers are read as 16
    bit where they fit into 0..65535. Floats are read as 0..1, else as 0..255, else as 0..65535:
    the first range that holds them all. What fits none is stretched from its own minimum to its
    own maximum.

    Args:
        values: Array of any shape.

    Returns:
        uint8 array of the same shape.

    Raises:
        ImageError: When a value is NaN or infinite, or the type is not a number.

    >>> to_uint8(np.array([0, 257, 65535], dtype=np.uint16)).tolist()
    [0, 1, 255]
    >>> to_uint8(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return np.where(values, 255, 0).astype(np.uint8)
    if values.dtype.kind not in "iuf":
        advice = "give bool, integer or float"
        raise _refuse("<array>", "not numbers", f"type {values.dtype}", advice)
    if not np.isfinite(values).all():
        advice = "replace them before"
        raise _refuse("<array>", "holds NaN or infinite values", f"type {values.dtype}", advice)
    low, high = _value_range(values)
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    return np.floor(scaled + 0.5).astype(np.uint8)


def _value_range(values: np.ndarray) -> tuple[float, float]:
    if values.dtype == np.uint16:
        return 0.0, 65535.0
    low, high = float(values.min()), float(values.max())
    for top in (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,):
        if low >= 0 and high <= top:
            return 0.0, top
    return low, max(high, low + 1)
