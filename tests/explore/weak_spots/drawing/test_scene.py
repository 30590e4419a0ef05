"""Scenes hold what they are said to hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.explore.weak_spots.drawing.scene import (
    COLOURS,
    SHAPES,
    SIDE,
    Scene,
    Shape,
    corners,
    scattered,
)


def test_a_shape_has_its_colour_and_place() -> None:
    for shape in SHAPES:
        scene = Scene(np.random.default_rng(0), [Shape(shape, "blue", (60.0, 150.0), 30.0)])
        pixels = np.asarray(scene.draw())
        blue = (pixels == COLOURS["blue"]).all(axis=2)
        rows, columns = np.nonzero(blue)
        assert tuple(pixels[150, 60]) == COLOURS["blue"]
        assert (columns.min(), columns.max()) == pytest.approx((60, 60), abs=30)
        assert (rows.min(), rows.max()) == pytest.approx((150, 150), abs=30)


def test_corners_of_a_star_alternate() -> None:
    lengths = [np.hypot(x, y) for x, y in corners("star", (0, 0), 1)]
    assert np.allclose(lengths[::2], 1)
    assert np.allclose(lengths[1::2], 0.42)


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_scattered_shapes_do_not_touch(seed: int, count: int) -> None:
    places = np.array(scattered(np.random.default_rng(seed), count, 22.0))
    assert len(places) == count
    assert places.min() > 22
    assert places.max() < SIDE - 22
    apart = np.abs(places[:, None] - places[None]).max(axis=2)
    assert (apart[~np.eye(count, dtype=bool)] > 44).all()


def test_kinds_differ() -> None:
    for seed in range(20):
        (first, own), (second, other) = Scene(np.random.default_rng(seed)).two_kinds()
        assert first != second
        assert own != other
