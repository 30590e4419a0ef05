"""Which image formats are read, recognised by content, and what to say about all others."""

import importlib
from pathlib import PurePath

from PIL import features

from adapt.errors import DataError

DAMAGED = "damaged or truncated image"
AGAIN = "copy or export the image again"
NEEDS_HEIC = "needs the `heic` extra"

ALWAYS_READ = ["JPEG", "PNG", "BMP", "GIF", "PPM"]
READ_IF_BUILT_IN = {"WEBP": "webp", "TIFF": "libtiff", "AVIF": "avif"}
FORMATS = ALWAYS_READ + [name for name, part in READ_IF_BUILT_IN.items() if features.check(part)]

SUFFIXES: dict[str, frozenset[str]] = {
    "JPEG": frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    "PNG": frozenset({".png", ".apng"}),
    "BMP": frozenset({".bmp", ".dib"}),
    "GIF": frozenset({".gif"}),
    "PPM": frozenset({".ppm", ".pgm", ".pbm", ".pnm", ".pfm"}),
    "WEBP": frozenset({".webp"}),
    "TIFF": frozenset({".tif", ".tiff"}),
    "AVIF": frozenset({".avif", ".avifs", ".heif"}),
    "HEIF": frozenset({".heic", ".heif", ".hif"}),
}
"""File suffixes, in lower case, that each format goes by."""

START = 512
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
HEVC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"})
AV1_BRANDS = frozenset({b"avif", b"avis"})
CONTAINER_BRANDS = frozenset({b"mif1", b"msf1"})
ISO_BRANDS = HEVC_BRANDS | AV1_BRANDS | CONTAINER_BRANDS


class ImageError(DataError):
    """One image cannot be used.

    Attributes:
        path: The file, or `<bytes>`, `<image>`, `<array>` for what came from memory.
        reason: What is wrong, in a few words (`empty file`, `not an image`, ...).
    """

    def __init__(self, message: str, path: str = "", reason: str = "") -> None:
        """The message alone rebuilds the error in another process."""
        super().__init__(message)
        self.path = path
        self.reason = reason


def refuse(path: str, reason: str, given: str, advice: str) -> ImageError:
    """The error that names a file, what is wrong, what was given and what to do.

    >>> refuse("a.jpg", "empty file", "0 bytes", "copy it again").reason
    'empty file'
    """
    return ImageError(f"{path} - {reason} - {given} - {advice}", path, reason)


def suffix_fits(path: str, kind: str) -> bool:
    """Whether a file's name ends as files of its format do.

    Args:
        path: Path or name of the file.
        kind: Format that its content has, such as `JPEG`.

    >>> suffix_fits("cat.JPG", "JPEG"), suffix_fits("cat.jpg", "GIF")
    (True, False)
    """
    return PurePath(path).suffix.lower() in SUFFIXES[kind]


def is_heic(start: bytes) -> bool:
    r"""Whether these first bytes begin a HEIC or HEIF photo.

    Args:
        start: The first bytes of a file, at least 12.

    >>> is_heic(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic")
    True
    >>> is_heic(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif")
    False
    """
    brands = _brands(start)
    if brands & AV1_BRANDS:
        return False
    return bool(brands & HEVC_BRANDS) or start[8:12] in CONTAINER_BRANDS & brands


def _brands(start: bytes) -> set[bytes]:
    """What a file in an ISO media container says it is; empty for other files."""
    if start[4:8] != b"ftyp":
        return set()
    box = start[: int.from_bytes(start[:4], "big")]
    return {start[8:12]} | {box[at : at + 4] for at in range(16, len(box) - 3, 4)}


def formats_for(start: bytes) -> list[str]:
    """The allow-list for one file: HEIF is on it for HEIC photos, where `pillow-heif` is installed.

    Args:
        start: The first bytes of the file.

    >>> "HEIF" in formats_for(b"GIF89a")
    False
    """
    if not is_heic(start):
        return FORMATS
    try:
        plugin = importlib.import_module("pillow_heif")
    except ImportError:
        return FORMATS
    # Here and not on import: loading it takes longer than opening a hundred images.
    plugin.register_heif_opener()
    return [*FORMATS, "HEIF"]


def unidentified(path: str, start: bytes) -> ImageError:
    """What to say of a file that no decoder on the allow-list takes.

    Args:
        path: The file.
        start: Its first bytes.

    >>> unidentified("a.jpg", b"%PDF-1.7").reason
    'not an image that is read'
    """
    advice = f"give one of {', '.join(FORMATS)}"
    if is_heic(start) and "HEIF" not in formats_for(start):
        return refuse(path, NEEDS_HEIC, "a HEIC photo", "pip install 'adapt-clip[heic]'")
    if _begins_an_image(start):
        given = "its first bytes are those of an image, the rest cannot be read"
        return refuse(path, DAMAGED, given, AGAIN)
    for mark, kind in FOREIGN_STARTS.items():
        if start.startswith(mark):
            return refuse(path, "not an image that is read", kind, advice)
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return refuse(path, "not an image that is read", "an SVG drawing", advice)
    if head.startswith((b"<!doctype", b"<html")):
        return refuse(path, "not an image", "an HTML page", "download the image itself")
    kind = "text" if b"\0" not in start and start.isascii() else "unknown bytes"
    return refuse(path, "not an image", kind, advice)


def _begins_an_image(start: bytes) -> bool:
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return start.startswith(IMAGE_STARTS) or webp or bool(_brands(start) & ISO_BRANDS)
