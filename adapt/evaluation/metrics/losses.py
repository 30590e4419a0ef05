"""Proper scores: lowest in expectation when the probabilities are the true ones."""

import numpy as np

from adapt.common.arrays import FloatArray, IntArray
from adapt.evaluation.metrics.base import metric, of_true_class


@metric("nll")
def negative_log_likelihood(logs: FloatArray, targets: IntArray) -> FloatArray:
    """-log(probability of the true class), in nats; 0 is perfect, log K is guessing."""
    losses: FloatArray = -of_true_class(logs, targets)
    return losses


@metric("brier")
def brier_score(logs: FloatArray, targets: IntArray) -> FloatArray:
    """Squared distance to the one-hot truth, summed over classes (Brier, 1950): 0 to 2."""
    chosen, probabilities = of_true_class(logs, targets), np.exp(logs)
    # The sum over all classes has p^2 for the true class, where (1 - p)^2 belongs.
    squares: FloatArray = (
        (probabilities**2).sum(axis=1) - np.exp(2 * chosen) + np.expm1(chosen) ** 2
    )
    return squares
