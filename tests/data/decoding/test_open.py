"""The decoder: exact pixels for every orientation and colour mode, exact reasons for refusals."""

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from adapt.data.decoding.open import ImageError, inspect_image, open_image
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.errors import DataError
from tests.helpers.tiny import run_python

PIXELS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 255, 255], [9, 8, 7]]],
    dtype=np.uint8,
)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(source: object) -> np.ndarray:
    image = open_image(source)
    assert image.mode == "RGB"
    return np.asarray(image)


def reason(source: object, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    return caught.value.reason


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"\0" * 10))
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(PIXELS), kind, exif=exif, **options)
    np.testing.assert_array_equal(pixels(data), UPRIGHT[orientation](PIXELS))


def test_jpeg_orientation_and_broken_exif() -> None:
    grey = Image.fromarray(np.repeat([[0] * 8, [255] * 8], 8, axis=0).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = pixels(encoded(grey, "JPEG", quality=100, exif=exif))
    assert turned.shape == (8, 16, 3)
    assert turned[0, 0].tolist() == [255, 255, 255]
    assert turned[0, -1].tolist() == [0, 0, 0]
    broken = pixels(encoded(grey, "JPEG", quality=100, exif=b"Exif\0\0nonsense"))
    assert broken[0, 0].tolist() == [0, 0, 0]


RAMP_8 = [0, 0, 1, 1, 128, 255]


def test_first_frame_of_animations() -> None:
    red, blue = Image.new("RGB", (2, 2), "red"), Image.new("RGB", (2, 2), "blue")
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(red, kind, save_all=True, append_images=[blue], **options)
        assert pixels(data)[0, 0].tolist() == [255, 0, 0], kind


def test_arrays_and_images() -> None:
    np.testing.assert_array_equal(pixels(PIXELS), PIXELS)
    np.testing.assert_array_equal(pixels(PIXELS / 255.0), PIXELS)
    np.testing.assert_array_equal(pixels(PIXELS.astype(np.uint16) * 257), PIXELS)
    assert pixels(np.array([[[7]]], dtype=np.uint8)).tolist() == [[[7, 7, 7]]]
    assert pixels(np.array([[True]])).tolist() == [[[255, 255, 255]]]
    source = Image.fromarray(PIXELS)
    opened = open_image(source)
    opened.putpixel((0, 0), (1, 1, 1))
    assert source.getpixel((0, 0)) == (255, 0, 0)


def test_extreme_shapes() -> None:
    for size in ((1, 1), (1, 5000), (20000, 2)):
        assert open_image(encoded(Image.new("RGB", size))).size == size


def test_message_names_the_file_and_survives_pickling(tmp_path: Path) -> None:
    path = tmp_path / "note.jpg"
    path.write_text("not a picture")
    with pytest.raises(DataError) as caught:
        open_image(path)
    formats = "JPEG, PNG, BMP, GIF, PPM, WEBP, TIFF, AVIF"
    assert str(caught.value) == f"{path} - not an image - text - give one of {formats}"
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.path, copy.reason) == (str(caught.value), str(path), "not an image")
    assert caught.value.exit_code == 3


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8001, 10000, 60000])
def test_bomb_is_refused_from_its_header(side: int) -> None:
    with pytest.raises(ImageError, match=f"{side * side} pixels in the header"):
        open_image(bomb(side))


def test_pixel_budget() -> None:
    image = Image.new("RGB", (10, 10))
    assert reason(encoded(image), max_pixels=99) == "too many pixels"
    assert reason(image, max_pixels=99) == "too many pixels"
    assert reason(np.zeros((10, 10), np.uint8), max_pixels=99) == "too many pixels"
    assert open_image(encoded(image), max_pixels=100).size == (10, 10)


def test_truncated_stays_refused_when_another_library_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
    assert reason(whole[: len(whole) // 2]) == "damaged or truncated image"
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def photo(width: int, height: int) -> Image.Image:
    """Shapes and soft noise."""
    random = np.random.default_rng(7)
    low = random.integers(0, 256, (height // 64, width // 64, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(low).resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray(
        (smooth + random.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8)
    )


@pytest.mark.parametrize("size", [(1200, 960), (1201, 963), (963, 1201)])
def test_a_very_large_jpeg_is_decoded_smaller(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all sizes a tenth of theirs: the result is near that of full decoding."""
    monkeypatch.setattr("adapt.data.decoding.open.EXACT_PIXELS", 1_000_000)
    monkeypatch.setattr("adapt.data.decoding.open.SHORTEST", 200)
    picture = photo(*size)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture, "JPEG", quality=92, exif=exif)
    image, facts = inspect_image(data)
    assert (facts.size, facts.reduced) == (size[::-1], 2)
    assert image.size == tuple((side + 1) // 2 for side in size[::-1])
    assert facts.notes()[-1] == "decoded at 1/2 of its size"
    with Image.open(io.BytesIO(data)) as source:
        whole = ImageOps.exif_transpose(source).convert("RGB")
    model = Preprocessing(64, [0, 0, 0], [1, 1, 1])
    assert 255 * (model(image) - model(whole)).abs().mean() <= 1
    monkeypatch.setattr("adapt.data.decoding.open.EXACT_PIXELS", size[0] * size[1])
    np.testing.assert_array_equal(pixels(data), np.asarray(whole))  # within the budget it is exact


def test_how_far_a_very_large_jpeg_is_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.data.decoding.open.EXACT_PIXELS", 10_000)
    monkeypatch.setattr("adapt.data.decoding.open.SHORTEST", 40)
    sizes = {(100, 100): 1, (101, 100): 2, (200, 200): 2, (202, 200): 4, (900, 79): 1, (900, 80): 2}
    for size, divisor in sizes.items():
        image, facts = inspect_image(encoded(Image.new("RGB", size), "JPEG"))
        assert (facts.reduced, facts.size) == (divisor, size)
        assert image.size == tuple(-(-side // divisor) for side in size)
    for kind in ("PNG", "WEBP", "TIFF"):
        assert open_image(encoded(Image.new("RGB", (200, 200)), kind)).size == (200, 200)
    with Image.open(io.BytesIO(encoded(Image.new("RGB", (200, 200)), "JPEG"))) as own:
        assert open_image(own).size == own.size == (200, 200)  # an image of the caller's stays


MEMORY = """
import resource, sys
from PIL import Image
from adapt.data.decoding.open import open_image
def peak():
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most
open_image(Image.new("RGBA", (9, 9)))
before = peak()
open_image(sys.argv[1])
print((peak() - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "kind", "options", "most"),
    [
        ("RGB", "JPEG", {}, 150),
        ("RGB", "JPEG", {"progressive": True}, 340),
        ("CMYK", "JPEG", {}, 150),
        ("RGBA", "PNG", {"compress_level": 1}, 512),
    ],
)
def test_memory_of_62_megapixels(
    mode: str, kind: str, options: dict[str, object], most: int, tmp_path: Path
) -> None:
    """Eight bytes per pixel at most, and a quarter of it where a JPEG is decoded smaller."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new(mode, (8901, 6999), (9, 99, 199, 50)[: len(mode)])
    image.save(tmp_path / "large", kind, exif=exif, **options)
    assert int(run_python(MEMORY, tmp_path, str(tmp_path / "large"))) <= most
