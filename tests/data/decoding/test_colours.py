"""Every colour mode becomes the RGB that people see."""

import numpy as np
import pytest
from PIL import Image

from adapt.data.decoding.open import inspect_image, open_image
from tests.data.decoding.test_open import RAMP_8, encoded, pixels, reason
from tests.helpers.colour_profiles import P3, STEPS, decode_srgb, rgb_profile


def palette(transparent: bool) -> bytes:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    return encoded(image, transparency=1) if transparent else encoded(image)


RAMP = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)


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
    "I PGM": (b"P5\n6 1\n65535\n" + RAMP.astype(">u2").tobytes(), [[v] * 3 for v in RAMP_8]),
    "F 0..1": (
        encoded(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), "TIFF"),
        [[0] * 3, [128] * 3, [255] * 3],
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


UNKNOWN = {
    "I": Image.fromarray(RAMP.astype(np.int32)),
    "F": Image.fromarray(np.array([[0, 2, 255]], np.float32)),
}


@pytest.mark.parametrize("mode", UNKNOWN)
@pytest.mark.parametrize("in_memory", [True, False])
def test_scales_that_are_not_known(mode: str, in_memory: bool) -> None:
    image = UNKNOWN[mode]
    assert reason(image if in_memory else encoded(image, "TIFF")) == "not a known scale"


def test_bands_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted in bands of rows, an image is the same to the last bit."""
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (37, 23, 4), dtype=np.uint8)
    p3 = rgb_profile("Display P3", P3, decode_srgb(STEPS))
    deep = random.integers(0, 65536, (37, 23), dtype=np.uint16)
    sources = [
        encoded(Image.fromarray(values, "RGBA"), icc_profile=p3),
        encoded(Image.fromarray(values[:, :, :3]).quantize(9), transparency=3),
        encoded(Image.fromarray(values, "CMYK"), "TIFF"),
        encoded(Image.fromarray(deep), transparency=int(deep[5, 5])),
    ]
    whole = [inspect_image(source) for source in sources]
    monkeypatch.setattr("adapt.data.decoding.colours.BAND", 100)
    for source, (image, facts) in zip(sources, whole, strict=True):
        banded, said = inspect_image(source)
        np.testing.assert_array_equal(np.asarray(banded), np.asarray(image))
        assert said == facts
