"""Gaps of two proportions and many tests, against scipy and published numbers."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from adapt.errors import DataError
from adapt.evaluation.robustness.gaps import (
    adjusted_for_many,
    benjamini_hochberg,
    difference_of_proportions_interval,
    fisher_exact,
)

COUNTS = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("own", "other", "ends"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombes_own_examples(
    own: tuple[int, int], other: tuple[int, int], ends: tuple[float, float]
) -> None:
    """Table II of Newcombe 1998, method 10."""
    assert difference_of_proportions_interval(own, other) == pytest.approx(ends, abs=5e-5)


@given(COUNTS, COUNTS)
def test_the_interval_turns_with_its_sides(own: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = difference_of_proportions_interval(own, other)
    back = difference_of_proportions_interval(other, own)
    assert -1 <= low <= own[0] / own[1] - other[0] / other[1] <= high <= 1
    assert back == pytest.approx([-high, -low])


@given(COUNTS, COUNTS)
def test_fisher_is_that_of_scipy(own: tuple[int, int], other: tuple[int, int]) -> None:
    table = [[own[0], own[1] - own[0]], [other[0], other[1] - other[0]]]
    assert fisher_exact(own, other) == pytest.approx(scipy.stats.fisher_exact(table)[1], rel=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_bh_is_that_of_scipy(values: list[float]) -> None:
    expected = scipy.stats.false_discovery_control(values)
    assert benjamini_hochberg(values) == pytest.approx(expected.tolist())


def test_bh_rejects_what_the_step_up_procedure_does() -> None:
    """The procedure as it is written in the paper: the largest k with p(k) <= k q / m."""
    random = np.random.default_rng(0)
    for _ in range(50):
        values = random.uniform(size=20) ** 3
        ordered = np.sort(values)
        within = np.flatnonzero(ordered <= np.arange(1, 21) * 0.05 / 20)
        limit = ordered[within[-1]] if len(within) else -1.0
        adjusted = np.array(benjamini_hochberg(values.tolist()))
        assert ((adjusted <= 0.05) == (values <= limit)).all()


def test_corrections_by_name() -> None:
    assert adjusted_for_many([0.01, 0.04, 0.03], "holm") == [0.03, 0.06, 0.06]
    assert adjusted_for_many([]) == []
    with pytest.raises(DataError, match="correction - not known"):
        adjusted_for_many([0.1], "bonferroni")
