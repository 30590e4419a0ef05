"""A map over an image."""

import base64
import io

import numpy as np
from PIL import Image

from adapt.explore.why.pictures import overlay


def opened(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))), float)


def test_the_strongest_region_is_reddest() -> None:
    pixels = np.full((64, 64, 3), 128, np.uint8)
    drawn = opened(overlay(pixels, [[0.0, 0.0], [0.0, 2.0]]))
    red = drawn[..., 0] - drawn[..., 2]
    assert red[60, 60] > 120
    assert abs(red[3, 3]) < 12
    assert red[60, 60] == red.max() or red.max() - red[60, 60] < 12


def test_a_flat_map_leaves_the_image_grey() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    drawn = opened(overlay(pixels, [[1.0, 1.0], [1.0, 1.0]]))
    assert np.abs(drawn[..., 0] - drawn[..., 2]).max() < 12
