"""Intervals against scipy, their exact coverage, and that none excludes its own estimate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from scipy.stats import t as student

from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import (
    INTERVALS,
    mean_interval,
    mean_of_proportions_interval,
    proportion_ends,
    proportion_interval,
)

SCIPY = {"wilson": "wilson", "clopper_pearson": "exact"}


@pytest.mark.parametrize("interval", INTERVALS)
@given(images=st.integers(1, 500), fraction=st.floats(0, 1), level=st.sampled_from([0.9, 0.95]))
@settings(deadline=None, max_examples=60)
def test_against_scipy(interval: str, images: int, fraction: float, level: float) -> None:
    hits = round(fraction * images)
    found = proportion_interval(hits, images, interval, level)
    assert found is not None
    expected = binomtest(hits, images).proportion_ci(level, SCIPY[interval])
    assert found == pytest.approx(list(expected), abs=1e-9)
    assert 0 <= found[0] <= hits / images <= found[1] <= 1
    mirrored = proportion_interval(images - hits, images, interval, level)
    assert mirrored == pytest.approx([1 - found[1], 1 - found[0]], abs=1e-12)


def coverage(interval: str, images: int, truth: float) -> float:
    """Exact: the probability of all counts whose interval holds the truth."""
    counts = np.arange(images + 1)
    low, high = proportion_ends(counts, np.full(images + 1, images), interval)
    return float(binom.pmf(counts, images, truth)[(low <= truth) & (truth <= high)].sum())


def within_reach(images: int, truth: float) -> bool:
    """Whether any run of neighbouring counts has a probability from 93 to 97.5 %."""
    sums = np.append(0, binom.cdf(np.arange(images + 1), images, truth))
    runs = sums[None, :] - sums[:, None]
    return bool(((runs >= 0.93) & (runs <= 0.975)).any())


@pytest.mark.parametrize("images", [3, 20, 50, 400])
@pytest.mark.parametrize("truth", [0.5, 0.9, 0.98])
def test_wilson_covers_93_to_97_5_percent_where_any_interval_can(images: int, truth: float) -> None:
    assert within_reach(images, truth) == ((images, truth) not in {(3, 0.5), (50, 0.98)})
    assert (0.93 <= coverage("wilson", images, truth) <= 0.975) == within_reach(images, truth)
    assert coverage("clopper_pearson", images, truth) >= 0.95


def test_three_of_three_is_not_certain() -> None:
    assert proportion_interval(3, 3) == [pytest.approx(0.4385, abs=1e-4), 1.0]
    assert proportion_interval(0, 3) == [0.0, pytest.approx(0.5615, abs=1e-4)]
    assert proportion_interval(0, 0) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((4, 3), "not between 0 and the images"),
        ((-1, 3), "not between 0 and the images"),
        ((1, 3, "bootstrap"), "interval - not known - 'bootstrap' - choose one of wilson, clopp"),
        ((1, 3, "wilson", 1.0), "level - not between 0 and 1"),
    ],
)
def test_nonsense_is_refused(arguments: tuple[float, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        proportion_interval(*arguments)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1)), min_size=1, max_size=12))
@settings(deadline=None, max_examples=100)
def test_the_interval_of_a_mean_of_proportions_holds_it(given: list[tuple[int, float]]) -> None:
    images = np.array([count for count, _ in given])
    hits = np.array([round(count * fraction) for count, fraction in given])
    low, high = mean_of_proportions_interval(hits, images)
    assert 0 <= low <= (hits / images).mean() <= high <= 1
    assert low < high


@pytest.mark.parametrize("recalls", [[0.9] * 8, [1.0] * 7 + [0.4], [0.5] * 4 + [0.95] * 4])
@pytest.mark.parametrize("sizes", [[15] * 8, [4, 4, 6, 8, 12, 20, 40, 80]])
def test_coverage_of_balanced_accuracy(recalls: list[float], sizes: list[int]) -> None:
    generator, covered = np.random.default_rng(1), 0
    for _ in range(500):
        low, high = mean_of_proportions_interval(generator.binomial(sizes, recalls), sizes)
        covered += low <= np.mean(recalls) <= high
    assert 0.92 <= covered / 500 <= 1


def test_mean_interval_is_students_without_skewness() -> None:
    values = np.concatenate([np.linspace(-1, 1, 150)] * 2) + 3
    error = values.std(ddof=1) / np.sqrt(300)
    expected = student.interval(0.95, 299, values.mean(), error)
    assert mean_interval(values) == pytest.approx(list(expected), rel=1e-9)
    assert mean_interval(np.full(200, 0.3)) == pytest.approx([0.3, 0.3])
    assert mean_interval([*values, np.inf]) is None
    assert mean_interval(values[:99]) is None


def test_mean_interval_of_skewed_losses_covers_better_than_students() -> None:
    generator, covered, plain = np.random.default_rng(0), 0, 0
    truth = np.exp(0.5 * 1.2**2)
    for _ in range(500):
        values = generator.lognormal(0, 1.2, 100)
        low, high = mean_interval(values) or [np.nan, np.nan]
        assert low <= values.mean() <= high
        covered += low <= truth <= high
        ends = student.interval(0.95, 99, values.mean(), values.std(ddof=1) / 10)
        plain += ends[0] <= truth <= ends[1]
    assert covered > plain
    assert covered / 500 >= 0.92
