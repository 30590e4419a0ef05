"""Losses at their limits."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from adapt.evaluation.metrics.losses import brier_score, negative_log_likelihood
from tests.helpers.probabilities import make


def test_impossible_image_costs_a_finite_loss() -> None:
    loss = negative_log_likelihood([[1.0, 0.0]], [1])
    assert loss == pytest.approx(-np.log(1e-12))


def test_half_precision_is_accepted() -> None:
    probabilities, targets = make(100, 30)
    rounded = probabilities.astype(np.float16)
    expected = brier_score(probabilities, targets)
    assert brier_score(rounded, targets) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn(seed: int) -> None:
    probabilities, targets = make(40, 4, seed, skip=1)
    loss = log_loss(targets, probabilities, labels=range(4))
    assert negative_log_likelihood(probabilities, targets) == pytest.approx(loss)
    squares = [
        ((row - np.eye(4)[t]) ** 2).sum() for row, t in zip(probabilities, targets, strict=True)
    ]
    assert brier_score(probabilities, targets) == pytest.approx(np.mean(squares))
