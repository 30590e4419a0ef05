"""What one picture does not explain of another."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from adapt.checks.findings.near_pairs import near_pairs
from adapt.checks.findings.thumbnails import BYTES, Thumbnails, difference, middle
from tests.helpers.altered_images import thumbnails


def test_another_colour_is_another_drawing() -> None:
    red, green = (Image.new("RGB", (64, 64), "white") for _ in range(2))
    red.paste((150, 0, 0), (16, 16, 48, 48))
    green.paste((0, 76, 0), (16, 16, 48, 48))
    assert difference(thumbnails([red, green]), np.array([0]), np.array([1]))[0] > 0.2


def test_a_corner_that_holds_everything_proves_nothing() -> None:
    images = []
    for shape in ((44, 44, 62, 62), (52, 46, 58, 63), (46, 55, 63, 59)):
        image = Image.new("RGB", (64, 64), "white")
        image.paste((0, 0, 0), shape)
        images.append(image)
    assert len(near_pairs(thumbnails(images))[0]) == 0


def test_difference_of_unmoved_pictures_is_what_regression_leaves() -> None:
    rng = np.random.default_rng(0)
    first = ndimage.gaussian_filter(rng.normal(size=(32, 32)), 3)
    second = first + 0.05 * ndimage.gaussian_filter(rng.normal(size=(32, 32)), 3)
    grey = [np.round(128 + 60 * one / np.abs(first).max()) for one in (first, second)]
    values = np.full((2, BYTES), 128, np.uint8)
    values[:, : 32 * 32] = np.stack(grey).reshape(2, -1)
    found = difference(Thumbnails(values), np.array([0]), np.array([1]))[0]
    inner = [one[2:30, 2:30].ravel() for one in grey]
    unmoved = 1 - np.corrcoef(*inner)[0, 1] ** 2
    # Moving and leaving out a corner can only explain more, and here hardly anything.
    assert 0.3 * unmoved < found <= unmoved * 1.001


def test_middle_reads_between_the_pixels() -> None:
    picture = np.random.default_rng(0).random((1, 16, 16)).astype(np.float32)
    at = (np.arange(16) - 7.5) * 0.8 + 7.5
    expected = ndimage.map_coordinates(picture[0], np.meshgrid(at, at, indexing="ij"), order=1)
    np.testing.assert_allclose(middle(picture, 0.8)[0], expected, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_difference_is_symmetric(seed: int) -> None:
    rng = np.random.default_rng(seed)
    both = Thumbnails(rng.integers(0, 256, (6, BYTES), dtype=np.uint8))
    a, b = rng.integers(0, 6, (2, 8))
    there, back = difference(both, a, b), difference(both, b, a)
    np.testing.assert_array_equal(there, back)
    assert ((there >= 0) & (there <= 1)).all()
