"""Agreement on the line, against a slow solution and models whose accuracies are known."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import linregress, norm

from adapt.errors import DataError
from adapt.evaluation.unlabelled.agreement import (
    agreement,
    agreement_on_the_line,
    difference_of_agreements,
)

pytestmark = pytest.mark.numerical


def answers(accuracies: list[float], images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Models that are right independently of each other and else draw another class of 50."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 50, images)
    wrong = (targets + generator.integers(1, 50, (len(accuracies), images))) % 50
    right = generator.random((len(accuracies), images)) < np.array(accuracies)[:, None]
    return targets, np.where(right, targets, wrong)


def test_the_line_by_a_slow_search() -> None:
    _, before = answers([0.9, 0.8, 0.6, 0.7], 300, 0)
    _, after = answers([0.7, 0.6, 0.5, 0.4], 200, 1)
    known = [0.9, 0.8, 0.6, 0.7]
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    x = [norm.ppf(np.mean(before[i] == before[j])) for i, j in pairs]
    y = [norm.ppf(np.mean(after[i] == after[j])) for i, j in pairs]
    slope = linregress(x, y).slope

    def loss(guess: np.ndarray) -> float:
        total = 0.0
        for (i, j), own, other in zip(pairs, x, y, strict=True):
            middle = (norm.ppf(known[i]) + norm.ppf(known[j])) / 2
            total += ((guess[i] + guess[j]) / 2 - other - slope * (middle - own)) ** 2
        return total

    slow = norm.cdf(minimize(loss, np.zeros(4), tol=1e-12).x)
    np.testing.assert_allclose(agreement_on_the_line(before, known, after), slow, atol=1e-4)


def test_the_same_images_give_the_same_accuracies() -> None:
    targets, given = answers([0.9, 0.75, 0.6], 2000, 2)
    known = (given == targets).mean(1)
    np.testing.assert_allclose(agreement_on_the_line(given, known, given), known, atol=1e-9)


def test_models_that_agree_alike_have_the_slope_of_one() -> None:
    same = np.zeros((3, 10), int)
    estimated = agreement_on_the_line(same, [0.5, 0.6, 0.7], same)
    np.testing.assert_allclose(estimated, [0.5, 0.6, 0.7], atol=1e-9)


def test_agreement_and_its_difference() -> None:
    assert agreement([1, 2, 3, 4], [1, 2, 0, 0]) == 0.5
    assert difference_of_agreements(0.1, reference=0.9, new=0.2) == 0


def test_refused() -> None:
    with pytest.raises(DataError, match="answers - not class numbers"):
        agreement([1, 2], [1])
    with pytest.raises(DataError, match="models - fewer than three"):
        agreement_on_the_line([[0], [1]], [0.5, 0.5], [[0], [1]])
    with pytest.raises(DataError, match="reference - not class numbers"):
        agreement_on_the_line([[0.5]], [0.5], [[0.5]])
