"""The decoder: exact pixels for every orientation and colour mode, exact reasons for refusals."""

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from adapt.data.decoding.open import ImageError, open_image, to_uint8
from adapt.data.labels.classes import read_classes
from adapt.errors import DataError

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


def palette(transparent: bool) -> bytes:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    return encoded(image, transparency=1) if transparent else encoded(image)


RAMP = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)
RAMP_8 = [0, 0, 1, 1, 128, 255]
MODES = {
    "RGB": (encoded(Image.new("RGB", (1, 1), (1, 2, 3))), [[1, 2, 3]]),
    "L": (encoded(Image.new("L", (1, 1), 77)), [[77] * 3]),
    "1": (encoded(Image.fromarray(np.array([[True, False]]))), [[255] * 3, [0] * 3]),
    "LA": (encoded(Image.fromarray(np.array([[[100, 51]]], np.uint8), "LA")), [[224] * 3]),
    "RGBA": (encoded(Image.new("RGBA", (1, 1), (200, 0, 0, 255))), [[200, 0, 0]]),
    "P": (palette(False), [[10, 20, 30], [200, 100, 50]]),
    "P clear": (palette(True), [[10, 20, 30], [255, 255, 255]]),
    "L clear": (
        encoded(Image.fromarray(np.array([[5, 6]], np.uint8)), transparency=5),
        [[255] * 3, [6] * 3],
    ),
    "RGB clear": (
        encoded(Image.new("RGB", (1, 1), (9, 8, 7)), transparency=(9, 8, 7)),
        [[255] * 3],
    ),
    "CMYK": (encoded(Image.new("CMYK", (1, 1), (255, 0, 0, 0)), "TIFF"), [[0, 255, 255]]),
    "I;16 PNG": (encoded(Image.fromarray(RAMP)), [[v] * 3 for v in RAMP_8]),
    "I;16 TIFF": (encoded(Image.fromarray(RAMP), "TIFF"), [[v] * 3 for v in RAMP_8]),
    "I": (encoded(Image.fromarray(RAMP.astype(np.int32)), "TIFF"), [[v] * 3 for v in RAMP_8]),
    "F 0..1": (
        encoded(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), "TIFF"),
        [[0] * 3, [128] * 3, [255] * 3],
    ),
    "F 0..255": (
        encoded(Image.fromarray(np.array([[0, 2, 255]], np.float32)), "TIFF"),
        [[0] * 3, [2] * 3, [255] * 3],
    ),
}


@pytest.mark.parametrize("mode", MODES)
def test_colour_modes(mode: str) -> None:
    data, expected = MODES[mode]
    assert pixels(data)[0].tolist() == expected


def test_hidden_colour_never_shows() -> None:
    hidden = Image.new("RGBA", (1, 1), (255, 0, 0, 0))
    assert pixels(encoded(hidden)).tolist() == [[[255, 255, 255]]]
    assert open_image(hidden, background=(1, 2, 3)).getpixel((0, 0)) == (1, 2, 3)
    half = Image.new("RGBA", (1, 1), (255, 0, 0, 51))
    assert open_image(half, background=(0, 0, 0)).getpixel((0, 0)) == (51, 0, 0)


def test_sixteen_bit_ramp_is_rescaled_not_clipped() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    shown = pixels(encoded(Image.fromarray(ramp)))[:, :, 0]
    np.testing.assert_array_equal(shown, (ramp.astype(int) + 128) // 257)
    assert (shown == 255).sum() == 129


def test_first_frame_of_animations() -> None:
    red, blue = Image.new("RGB", (2, 2), "red"), Image.new("RGB", (2, 2), "blue")
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(red, kind, save_all=True, append_images=[blue], **options)
        assert pixels(data)[0, 0].tolist() == [255, 0, 0], kind


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(Image.new("RGB", (1, 1), (9, 9, 9)), "GIF"))
    assert pixels(path).tolist() == [[[9, 9, 9]]]
    assert pixels(str(path)).tolist() == [[[9, 9, 9]]]


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
    assert to_uint8(np.array([-5, 0, 5])).tolist() == [0, 128, 255]
    assert to_uint8(np.full(2, -3)).tolist() == [0, 0]


def test_extreme_shapes() -> None:
    for size in ((1, 1), (1, 5000), (20000, 2)):
        assert open_image(encoded(Image.new("RGB", size))).size == size


def test_refusals(tmp_path: Path) -> None:
    whole = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
    assert reason(b"") == "empty file"
    assert reason(whole[: len(whole) // 2]) == "damaged or truncated image"
    assert reason(whole[:10]) == "damaged or truncated image"
    assert reason(encoded(Image.fromarray(PIXELS))[:40]) == "damaged or truncated image"
    assert reason(b"just some words") == "not an image"
    assert reason(b"<!DOCTYPE html><html>404") == "not an image"
    assert reason(b"%PDF-1.7 ...") == "not an image that is read"
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n") == "not an image that is read"
    assert reason(b"8BPS\0\1" + bytes(40)) == "not an image that is read"
    assert reason(b'<?xml version="1.0"?><svg/>') == "not an image that is read"
    assert reason(b"\0\0\0\x18ftypisom" + bytes(40)) == "not an image"
    assert reason(np.zeros((2, 2, 2), dtype=np.uint8)) == "not the shape of an image"
    assert reason(np.array([[np.nan]])) == "holds NaN or infinite values"
    assert reason(np.zeros((0, 3, 3), dtype=np.uint8)) == "has no pixels"
    lazy = Image.open(io.BytesIO(whole[: len(whole) // 2]))
    assert reason(lazy) == "damaged or truncated image"
    assert reason(tmp_path) == "not a file"
    assert reason(tmp_path / "gone.png") == "no such file"
    nan = encoded(Image.fromarray(np.array([[np.nan]], dtype=np.float32)), "TIFF")
    assert reason(nan) == "holds NaN or infinite values"


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
    assert reason(np.zeros((10, 10)), max_pixels=99) == "too many pixels"
    assert open_image(encoded(image), max_pixels=100).size == (10, 10)


def test_truncated_stays_refused_when_another_library_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
    assert reason(whole[: len(whole) // 2]) == "damaged or truncated image"
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def refused_classes(folder: Path, text: str) -> str:
    path = folder / "classes.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_classes(path)
    return str(caught.value).removeprefix(f"{path} - ")


def test_classes_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text("cat: house cat\nbig_dog: {prompts: ['a {}']}\n'7': seven\n", encoding="utf-8")
    classes = read_classes(path)
    assert [(c.key, c.words, c.prompts) for c in classes.values()] == [
        ("cat", "house cat", ()),
        ("big_dog", "big dog", ("a {}",)),
        ("7", "seven", ()),
    ]
    assert refused_classes(tmp_path, "7: seven").startswith("a folder must be text - 7 is int")
    twice = refused_classes(tmp_path, "a: Caf\u00e9\nb: CAFE\u0301")
    assert twice.startswith("two classes have equal words - 'a' and 'b' are both")
    assert "is listed twice" in refused_classes(tmp_path, "a: x\na: y")
    assert "aliases" in refused_classes(tmp_path, "a: &x one\nb: *x")
    assert "could not determine a constructor" in refused_classes(
        tmp_path, "a: !!python/object/apply:os.system ['touch /tmp/owned']"
    )
    assert "did you mean 'words'" in refused_classes(tmp_path, "a: {word: x}")
    path.write_text("a: '1'\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="words without a letter - 1 -"):
        read_classes(path)
