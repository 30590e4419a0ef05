"""Labels at the ends of lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from adapt.report.figures.labels import spread


@given(
    places=st.lists(st.floats(-10, 10), min_size=1, max_size=8),
    gap=st.floats(0.01, 3.0),
)
def test_labels_are_spread_by_least_squares(places: list[float], gap: float) -> None:
    moved = np.array(spread(places, gap))
    order = np.argsort(places, kind="stable")
    ranks = np.arange(len(places))
    flat = np.array(places)[order] - gap * ranks
    fitted = IsotonicRegression().fit_transform(ranks, flat) + gap * ranks
    assert moved[order] == pytest.approx(fitted, abs=1e-6)
    assert np.all(np.diff(moved[order]) >= gap - 1e-9)
