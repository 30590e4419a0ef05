"""Image files of every kind that people have, each with what must come of it.

`build_fixtures(folder)` writes them all; whatever reads images (the decoder, folders, `predict`,
`check`, `run`) must come to the same result for each. The top folders are classes.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from tests.helpers.colour_profiles import (
    ADOBE,
    INKS,
    P3,
    SRGB,
    STEPS,
    cmyk_profile,
    decode_srgb,
    encode_srgb,
    grey_profile,
    lab_to_srgb,
    rgb_profile,
)

# Six colours without symmetry, so that every turn looks different.
PIXELS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 255, 255], [9, 8, 7]]],
    dtype=np.uint8,
)
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}
DAMAGED = "damaged or truncated image"
NOT_READ = "not an image that is read"
NOT_IMAGE = "not an image"


@dataclass(frozen=True)
class Expected:
    """What must come of one file: pixels, or the reason of its refusal, or not being listed."""

    pixels: np.ndarray | None = None
    """RGB uint8, upright."""
    within: int = 0
    """Largest difference from `pixels`; 0 where nothing is lost."""
    reason: str = ""
    """Why it is refused."""
    listed: bool = True
    """Whether a walk of the folder takes it for an image; junk and broken links are not."""
    facts: dict[str, object] = field(default_factory=dict)
    """Some of what `inspect_image` must say of it."""


Built = tuple[bytes, Expected]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """An image as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def with_orientation(orientation: int) -> Image.Exif:
    """EXIF that holds nothing else."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def plain(image: Image.Image) -> np.ndarray:
    """Pixels of an image that need no conversion."""
    assert image.mode in ("RGB", "L")
    return np.asarray(image.convert("RGB"))


def oriented() -> Iterator[tuple[str, Built]]:
    """All eight orientations, in five formats."""
    lossless = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}
    for orientation in range(1, 9):
        facts: dict[str, object] = {"orientation": orientation}
        upright = UPRIGHT[orientation]
        for kind, options in lossless.items():
            exif = with_orientation(orientation)
            data = encoded(Image.fromarray(PIXELS), kind, exif=exif, **options)
            expected = Expected(upright(PIXELS), facts=facts | {"format": kind})
            yield f"{kind.lower()}_{orientation}.{kind.lower()}", (data, expected)
        # Blocks of 16 pixels: what JPEG loses stays small, and is the same without EXIF.
        large = Image.fromarray(PIXELS.repeat(16, 0).repeat(16, 1))
        bare = plain(Image.open(io.BytesIO(encoded(large, "JPEG", quality=95))))
        data = encoded(large, "JPEG", quality=95, exif=with_orientation(orientation))
        yield f"jpeg_{orientation}.jpg", (data, Expected(upright(bare), facts=facts))


def palette(**options: object) -> bytes:
    """Two palette colours as a PNG."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    return encoded(image, **options)


def row(*colours: tuple[int, int, int] | int) -> np.ndarray:
    """One row of colours, or of greys."""
    return np.array([[(c, c, c) if isinstance(c, int) else c for c in colours]], dtype=np.uint8)


RAMP = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)
RAMP_8 = row(0, 0, 1, 1, 128, 255)
"""Value / 257, rounded: 128 / 257 is below a half, 129 / 257 above."""


def modes() -> Iterator[tuple[str, Built]]:
    """Every colour mode that files have, with what it stands for in RGB."""
    grey_16, wide = Image.fromarray(RAMP), Image.fromarray(RAMP.astype(np.int32))
    unit = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
    bytes_ = Image.fromarray(np.array([[0, 2, 255]], np.float32))
    half = Image.fromarray(np.array([[[100, 51]]], np.uint8), "LA")
    two = Image.fromarray(np.array([[5, 6]], np.uint8))
    rescaled, clear = {"rescaled": True}, {"composited": True}
    yield "1.png", (encoded(Image.fromarray(np.array([[True, False]]))), Expected(row(255, 0)))
    yield "l.png", (encoded(Image.new("L", (1, 1), 77)), Expected(row(77)))
    # 100 at 51 / 255 over white: 100 / 5 + 255 * 4 / 5.
    yield "la.png", (encoded(half), Expected(row(224), facts=clear))
    yield "p.png", (palette(), Expected(row((10, 20, 30), (200, 100, 50))))
    yield "p_clear.png", (palette(transparency=1), Expected(row((10, 20, 30), 255), facts=clear))
    yield "l_clear.png", (encoded(two, transparency=5), Expected(row(255, 6), facts=clear))
    yield (
        "i16_clear.png",
        (encoded(grey_16, transparency=129), Expected(row(0, 0, 255, 1, 128, 255), facts=clear)),
    )
    yield "rgb.bmp", (encoded(Image.fromarray(PIXELS), "BMP"), Expected(PIXELS))
    yield "rgb.ppm", (encoded(Image.fromarray(PIXELS), "PPM"), Expected(PIXELS))
    opaque = Image.new("RGBA", (1, 1), (200, 0, 0, 255))
    yield "rgba.png", (encoded(opaque), Expected(row((200, 0, 0)), facts={"composited": False}))
    hidden = Image.new("RGBA", (1, 1), (255, 0, 0, 0))
    yield "rgba_hidden.png", (encoded(hidden), Expected(row(255), facts=clear))
    deep = {"rescaled": True, "mode": "I;16"}
    yield "i16.png", (encoded(grey_16), Expected(RAMP_8, facts=deep))
    yield "i16.tif", (encoded(grey_16, "TIFF"), Expected(RAMP_8, facts=deep))
    yield "i.tif", (encoded(wide, "TIFF"), Expected(reason="not a known scale"))
    yield (
        "i.pgm",
        (b"P5\n6 1\n65535\n" + RAMP.astype(">u2").tobytes(), Expected(RAMP_8, facts=rescaled)),
    )
    yield "f_unit.tif", (encoded(unit, "TIFF"), Expected(row(0, 128, 255), facts=rescaled))
    yield "f_bytes.tif", (encoded(bytes_, "TIFF"), Expected(reason="not a known scale"))
    yield "rgb16.png", (rgb16(), Expected(row((255, 128, 1)), facts=rescaled))
    yield from cmyk_and_ycbcr()


def rgb16() -> bytes:
    """A PNG of one pixel with 16 bits for each colour, which Pillow cannot write."""
    line = b"\0" + struct.pack(">HHH", 65535, 32768, 257)
    return png(1, 1, 16, 2, zlib.compress(line))


def cmyk_and_ycbcr() -> Iterator[tuple[str, Built]]:
    """CMYK as TIFF and as JPEG (which stores it inverted), and JPEG's own YCbCr."""
    inks = [(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0)]
    pixels = np.array([inks], np.uint8)
    shown = row((0, 255, 255), (255, 0, 255), (255, 255, 0), 0, 255)
    data = encoded(Image.fromarray(pixels, "CMYK"), "TIFF")
    yield "cmyk.tif", (data, Expected(shown, facts={"mode": "CMYK"}))
    wide = Image.fromarray(pixels.repeat(16, 0).repeat(16, 1), "CMYK")
    data = encoded(wide, "JPEG", quality=100, subsampling=0)
    large = shown.repeat(16, 0).repeat(16, 1)
    yield "cmyk.jpg", (data, Expected(large, 2, facts={"mode": "CMYK"}))
    blocks = PIXELS.repeat(16, 0).repeat(16, 1)
    data = encoded(Image.fromarray(blocks), "JPEG", quality=100, subsampling=0)
    yield "ycbcr.jpg", (data, Expected(blocks, 3, facts={"format": "JPEG"}))


def profiles() -> Iterator[tuple[str, Built]]:
    """Embedded profiles: converted, being sRGB, damaged, for other channels."""
    # Within the gamut of sRGB, so that nothing is clipped on one side only.
    muted = np.array([[[180, 120, 90], [90, 150, 110], [60, 90, 160], [255, 255, 255]]], np.uint8)
    picture = Image.fromarray(muted)
    adobe = rgb_profile("Adobe RGB (1998)", ADOBE, STEPS ** (563 / 256))
    shown = encode_srgb((muted / 255) ** (563 / 256) @ np.linalg.solve(SRGB, ADOBE).T)
    converted = {"converted": True, "profile": "Adobe RGB (1998)"}
    data = encoded(picture, icc_profile=adobe)
    yield "adobe.png", (data, Expected(shown, 1, facts=converted))
    alpha = picture.convert("RGBA")
    data = encoded(alpha, icc_profile=adobe)
    yield "adobe_alpha.png", (data, Expected(shown, 1, facts={"converted": True}))
    p3 = rgb_profile("Display P3", P3, decode_srgb(STEPS))
    shown = encode_srgb(decode_srgb(muted / 255) @ np.linalg.solve(SRGB, P3).T)
    data = encoded(picture, "TIFF", icc_profile=p3)
    yield "p3.tif", (data, Expected(shown, 1, facts={"converted": True}))
    greys = np.array([[0, 40, 128, 255]], np.uint8)
    shown = encode_srgb((greys / 255) ** 1.8)[..., None].repeat(3, 2)
    data = encoded(Image.fromarray(greys), icc_profile=grey_profile(1.8))
    yield "grey.png", (data, Expected(shown, 1, facts={"converted": True}))
    shown = np.array([[lab_to_srgb(*lab) for lab in INKS.values()]])
    inks = Image.fromarray(np.array([list(INKS)], np.uint8), "CMYK")
    data = encoded(inks, "TIFF", icc_profile=cmyk_profile())
    yield "press.tif", (data, Expected(shown, 2, facts={"converted": True, "profile": "Press"}))
    yield from kept_profiles(picture, muted, adobe)


def kept_profiles(
    picture: Image.Image, muted: np.ndarray, adobe: bytes
) -> Iterator[tuple[str, Built]]:
    """Profiles that change nothing."""
    own = rgb_profile("sRGB IEC61966-2.1", SRGB, decode_srgb(STEPS))
    facts = {"converted": False, "profile": "sRGB IEC61966-2.1", "profile_problem": ""}
    yield "srgb.png", (encoded(picture, icc_profile=own), Expected(muted, facts=facts))
    ignored = {"converted": False, "profile_problem": "it is damaged"}
    data = encoded(picture, icc_profile=adobe[:300])
    yield "damaged.png", (data, Expected(muted, facts=ignored))
    ignored = {"converted": False, "profile_problem": "it is for RGB, the image is L"}
    data = encoded(Image.new("L", (1, 1), 77), icc_profile=adobe)
    yield "foreign.png", (data, Expected(row(77), facts=ignored))


def series() -> Iterator[tuple[str, Built]]:
    """Several frames or pages: the first counts."""
    red, blue = Image.new("RGB", (2, 2), "red"), Image.new("RGB", (2, 2), "blue")
    shown = np.array([[[255, 0, 0]] * 2] * 2, np.uint8)
    for suffix, kind in {"gif": "GIF", "tif": "TIFF", "png": "PNG", "webp": "WEBP"}.items():
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(red, kind, save_all=True, append_images=[blue, red], **options)
        facts: dict[str, object] = {"frames": 3, "format": kind}
        yield f"series.{suffix}", (data, Expected(shown, facts=facts))
    camera = encoded(red.resize((16, 16)), "MPO", save_all=True, append_images=[blue])
    shown = plain(Image.open(io.BytesIO(camera)))
    yield "camera.jpg", (camera, Expected(shown, facts={"format": "JPEG", "frames": 1}))


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, data: bytes) -> bytes:
    """A PNG by hand."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def bombs() -> dict[str, bytes]:
    """Small files whose header says that they are huge."""
    bitmap = bytearray(encoded(Image.new("RGB", (1, 1)), "BMP"))
    bitmap[18:26] = struct.pack("<ii", 60000, 60000)
    canvas = struct.pack("<I", 16382)[:3] * 2
    still = encoded(Image.new("RGB", (8, 8)), "WEBP", lossless=True)[12:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas + still
    camera = bytearray(encoded(Image.new("RGB", (8, 8)), "JPEG"))
    size = camera.index(b"\xff\xc0") + 5
    camera[size : size + 4] = struct.pack(">HH", 65500, 65500)
    return {
        "9000.png": png(9000, 9000, 8, 2, zlib.compress(bytes(10))),
        "60000.png": png(60000, 60000, 8, 2, zlib.compress(bytes(10))),
        # With data for a hundred rows, which a decoder would begin to fill.
        "full.png": png(10000, 10000, 8, 2, zlib.compress(bytes(3_000_100), 9)),
        "bitmap.bmp": bytes(bitmap),
        "canvas.webp": b"RIFF" + struct.pack("<I", len(body)) + body,
        "camera.jpg": bytes(camera),
    }


def bad() -> Iterator[tuple[str, Built]]:
    """What must be refused, with the reason."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for suffix, kind in {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}.items():
        whole = encoded(noise, kind)
        yield f"half.{suffix}", (whole[: len(whole) // 2], Expected(reason=DAMAGED))
    yield "header_only.jpg", (encoded(noise, "JPEG")[:10], Expected(reason=DAMAGED))
    yield "empty.jpg", (b"", Expected(reason="empty file"))
    yield "text.jpg", (b"just some words", Expected(reason=NOT_IMAGE))
    yield "page.jpg", (b"<!DOCTYPE html><html>404</html>", Expected(reason=NOT_IMAGE))
    yield "video.jpg", (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", Expected(reason=NOT_IMAGE))
    yield "drawing.png", (b'<?xml version="1.0"?><svg/>', Expected(reason=NOT_READ))
    yield "paper.jpg", (b"%PDF-1.7 ...", Expected(reason=NOT_READ))
    yield "print.jpg", (b"%!PS-Adobe-3.0 EPSF-3.0\n", Expected(reason=NOT_READ))
    yield "layers.jpg", (b"8BPS\0\1" + bytes(40), Expected(reason=NOT_READ))
    nan = encoded(Image.fromarray(np.array([[np.nan]], np.float32)), "TIFF")
    yield "nan.tif", (nan, Expected(reason="holds NaN or infinite values"))
    for name, data in bombs().items():
        # Older Pillow does not open this one far enough to see its size.
        unseen = name == "canvas.webp" and int(PIL.__version__.split(".")[0]) < 13
        reason = "damaged or truncated image" if unseen else "too many pixels"
        yield f"bomb_{name}", (data, Expected(reason=reason))


def odd() -> Iterator[tuple[str, Built]]:
    """Good images with odd names, suffixes, shapes or leftovers."""
    data = encoded(Image.fromarray(PIXELS))
    animation = encoded(Image.fromarray(PIXELS), "BMP")
    yield "bitmap_as.jpg", (animation, Expected(PIXELS, facts={"format": "BMP"}))
    yield "png_as.tiff", (data, Expected(PIXELS, facts={"format": "PNG"}))
    yield "UPPER.PNG", (data, Expected(PIXELS))
    yield "with space & 'quote' <b>.png", (data, Expected(PIXELS))
    yield "=cmd().png", (data, Expected(PIXELS))
    yield "Caf\u00e9.png", (data, Expected(PIXELS))
    # The same name in NFD, beside it: another file on Linux.
    yield "Cafe\u0301.png", (data, Expected(PIXELS))
    yield "n" * 251 + ".png", (data, Expected(PIXELS))
    yield "/".join(["d" * 60] * 5 + ["deep.png"]), (data, Expected(PIXELS))
    for width, height in ((1, 1), (1, 5000), (20000, 2)):
        black = np.zeros((height, width, 3), np.uint8)
        yield f"{width}x{height}.png", (encoded(Image.fromarray(black)), Expected(black))
    grey = Image.new("L", (16, 16), 60)
    bare = plain(Image.open(io.BytesIO(encoded(grey, "JPEG"))))
    broken = encoded(grey, "JPEG", exif=b"Exif\0\0nonsense")
    yield "broken_exif.jpg", (broken, Expected(bare, facts={"broken_exif": True}))


def junk() -> Iterator[tuple[str, Built]]:
    """What systems leave behind: never an image, whatever it holds."""
    data, skipped = encoded(Image.fromarray(PIXELS)), Expected(listed=False)
    yield "odd/.DS_Store", (b"\0\0\0\1Bud1", skipped)
    yield "odd/._UPPER.PNG", (b"\0\5\x16\7", skipped)
    yield "odd/Thumbs.db", (b"\xd0\xcf\x11\xe0", skipped)
    yield "odd/@eaDir/UPPER.PNG/SYNOPHOTO_THUMB.png", (data, skipped)
    yield "odd/.ipynb_checkpoints/copy.png", (data, skipped)
    yield ".hidden/copy.png", (data, skipped)
    yield "__MACOSX/odd/copy.png", (data, skipped)


def fixtures() -> dict[str, Built]:
    """Bytes and expectation of every file, by path with `/`."""
    groups = {"oriented": oriented, "modes": modes, "profiles": profiles, "series": series}
    classes = groups | {"bad": bad, "odd": odd}
    built = {f"{name}/{file}": one for name, build in classes.items() for file, one in build()}
    return built | dict(junk())


def build_fixtures(folder: Path) -> dict[str, Expected]:
    """Write every file below a folder, and links that lead in a circle.

    Returns:
        What must come of each, by its path below the folder.
    """
    found = {}
    for name, (data, expected) in fixtures().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found[name] = expected
    (folder / "odd" / "around").symlink_to(folder / "odd", target_is_directory=True)
    (folder / "odd" / "itself.png").symlink_to(folder / "odd" / "itself.png")
    found["odd/around"] = Expected(reason="not a file", listed=False)
    found["odd/itself.png"] = Expected(reason="cannot be read", listed=False)
    return found


def folder(root: Path, names: list[str], shade: int = 0) -> ImageList:
    """Plain images of 8 x 8 pixels, each of a colour of its own."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, shade, 0)).save(path)
    return from_folder(root)
