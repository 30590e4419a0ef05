"""Losses at their limits."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from adapt.evaluation.metrics.losses import brier_score, negative_log_likelihood
from tests.helpers.probabilities import make


def test_an_impossible_answer_costs_all_that_it_costs() -> None:
    """A softmax in float32 says 0 here, and a clipped logarithm 27.6 nats."""
    logits = np.array([[0.0, 300.0], [2.0, 0.0]], np.float32)
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits).double(), torch.tensor([0, 0])
    )
    assert negative_log_likelihood(logits, [0, 0]) == pytest.approx(float(expected), rel=1e-12)
    assert negative_log_likelihood([[0.0, 300.0]], [0]) == pytest.approx(300)
    assert negative_log_likelihood([[-np.inf, 1.0]], [0]) == np.inf


def test_half_precision_is_accepted() -> None:
    probabilities, targets = make(100, 30)
    logs = np.log(probabilities)
    expected = brier_score(logs, targets)
    assert brier_score(logs.astype(np.float16), targets) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn(seed: int) -> None:
    probabilities, targets = make(40, 4, seed, skip=1)
    loss = log_loss(targets, probabilities, labels=range(4))
    assert negative_log_likelihood(np.log(probabilities), targets) == pytest.approx(loss)
    squares = [
        ((row - np.eye(4)[t]) ** 2).sum() for row, t in zip(probabilities, targets, strict=True)
    ]
    assert brier_score(np.log(probabilities), targets) == pytest.approx(np.mean(squares))
