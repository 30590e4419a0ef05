"""Pillow itself says what comes out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adapt.data.decoding.preprocessing import RESIZE_MODES, Preprocessing
from adapt.export.graph.resize import resized

SIDES = st.integers(1, 120)


def both(own: Preprocessing, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wanted = own.pixels(Image.fromarray(pixels))
    return resized(torch.from_numpy(pixels)[None], own)[0].numpy(), wanted


@settings(max_examples=60, deadline=None)
@given(
    SIDES, SIDES, st.integers(1, 64), st.sampled_from(RESIZE_MODES),
    st.sampled_from(["bicubic", "bilinear"]), st.integers(0, 2**31),
)  # fmt: skip
def test_every_byte_is_that_of_pillow(
    height: int, width: int, size: int, mode: str, interpolation: str, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    own = Preprocessing(size, [0, 0, 0], [1, 1, 1], interpolation, mode, 17)
    given, wanted = both(own, pixels)
    np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("shape", [(3, 400), (400, 3), (1, 1), (16, 16), (1, 130), (300, 2)])
@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_extreme_shapes(shape: tuple[int, int], mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    given, wanted = both(Preprocessing(16, [0, 0, 0], [1, 1, 1], resize_mode=mode), pixels)
    np.testing.assert_array_equal(given, wanted)


def test_images_of_a_batch_do_not_mix() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 50, 31, 3), dtype=np.uint8)
    own = Preprocessing(8, [0, 0, 0], [1, 1, 1])
    together = resized(torch.from_numpy(pixels), own).numpy()
    for image, row in zip(pixels, together, strict=True):
        np.testing.assert_array_equal(row, own.pixels(Image.fromarray(image)))
