"""Proper scores: lowest in expectation when the probabilities are the true ones."""

import numpy as np

from adapt.common.arrays import FloatArray, IntArray
from adapt.evaluation.metrics.base import metric, of_true_class

_SMALLEST = 1e-12
"""Probabilities are clipped here, so that one impossible image costs 27.6 nats, not infinity."""


@metric("nll")
def negative_log_likelihood(probabilities: FloatArray, targets: IntArray) -> FloatArray:
    """-log(probability of the true class), in nats; 0 is perfect, log K is guessing."""
    losses: FloatArray = -np.log(np.clip(of_true_class(probabilities, targets), _SMALLEST, 1.0))
    return losses


@metric("brier")
def brier_score(probabilities: FloatArray, targets: IntArray) -> FloatArray:
    """Squared distance to the one-hot truth, summed over classes (Brier, 1950): 0 to 2."""
    chosen = of_true_class(probabilities, targets)
    # The sum over all classes has p^2 for the true class, where (1 - p)^2 belongs.
    squares: FloatArray = (probabilities**2).sum(axis=1) - chosen**2 + (1 - chosen) ** 2
    return squares
