"""Handwritten digits."""

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from adapt.explore.weak_spots.drawing.strokes import STROKES, WITHIN, handwritten, smooth


def test_smooth_is_the_hermite_spline_through_the_points() -> None:
    points = np.array([[0.0, 1.0], [1.0, 3.0], [2.5, 0.0], [3.0, 1.0]])
    slopes = np.empty_like(points)
    slopes[1:-1] = (points[2:] - points[:-2]) / 2
    slopes[0], slopes[-1] = points[1] - points[0], points[-1] - points[-2]
    spline = CubicHermiteSpline(np.arange(4.0), points, slopes)
    assert smooth(points) == pytest.approx(spline(np.linspace(0, 3, 3 * WITHIN + 1)))


def test_every_digit_has_ink_and_no_two_are_equal() -> None:
    assert sorted(STROKES) == list(range(10))
    for digit in STROKES:
        first, second = (
            np.asarray(handwritten(digit, np.random.default_rng(seed))) for seed in (0, 1)
        )
        assert 0.01 < (first.min(axis=2) < 80).mean() < 0.3
        assert not np.array_equal(first, second)
