"""The kernel test, against loops; and its false alarms."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom

from adapt.errors import DataError
from adapt.evaluation.unlabelled.two_sample import kernel_test

pytestmark = pytest.mark.numerical


def slow_statistic(first: np.ndarray, second: np.ndarray, bandwidth: float) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2)))

    within = [np.mean([kernel(a, b) for a, b in combinations(own, 2)]) for own in (first, second)]
    return float(sum(within) - 2 * np.mean([kernel(a, b) for a in first for b in second]))


def test_the_statistic_and_its_bandwidth_by_loops() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.random((7, 3)), generator.random((9, 3)) + 0.3
    result = kernel_test(first, second, permutations=19)
    joined = np.concatenate([first, second])
    distances = [((a - b) ** 2).sum() for a, b in combinations(joined, 2)]
    assert result.bandwidth == pytest.approx(np.sqrt(np.median(distances) / 2))
    slow = slow_statistic(first, second, result.bandwidth)
    assert result.statistic == pytest.approx(slow, abs=1e-12)


def test_p_is_that_of_all_divisions() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.standard_normal((5, 2)), generator.standard_normal((5, 2)) + 1.2
    result = kernel_test(first, second, permutations=4000, seed=3)
    joined, every = np.concatenate([first, second]), []
    for rows in combinations(range(10), 5):
        others = [row for row in range(10) if row not in rows]
        every.append(slow_statistic(joined[list(rows)], joined[others], result.bandwidth))
    exact = np.mean(np.array(every) >= result.statistic - 1e-12)
    assert result.p == pytest.approx(exact, abs=0.03)


def test_false_alarms_are_as_frequent_as_the_level() -> None:
    """Features of unequal spread and unequal numbers; 400 tests at 10 %."""
    generator, alarms = np.random.default_rng(2), 0
    for seed in range(400):
        rows = generator.exponential(size=(45, 4)) * [1, 2, 5, 0.1]
        alarms += kernel_test(rows[:30], rows[30:], 99, seed).p <= 0.10
    low, high = binom.interval(0.9999, 400, 0.10)
    assert low <= alarms <= high


def test_what_differs_is_seen() -> None:
    generator = np.random.default_rng(4)
    rows = generator.standard_normal((200, 10))
    assert kernel_test(rows[:100], rows[100:] + 0.5, 199).p == pytest.approx(1 / 200)
    assert kernel_test(np.ones((10, 3)), np.ones((10, 3)), 99).p == 1


def test_refused() -> None:
    with pytest.raises(DataError, match="new - not features of at least 5 images"):
        kernel_test(np.ones((5, 2)), np.ones((4, 2)))
    with pytest.raises(DataError, match="new - other features than the reference"):
        kernel_test(np.ones((5, 2)), np.ones((5, 3)))
