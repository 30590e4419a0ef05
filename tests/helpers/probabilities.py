"""Random probabilities, and the metrics of one number."""

import numpy as np

from adapt.evaluation.metrics.accuracy import accuracy, balanced_accuracy
from adapt.evaluation.metrics.calibration import expected_calibration_error
from adapt.evaluation.metrics.losses import brier_score, negative_log_likelihood

SINGLE = (
    accuracy,
    balanced_accuracy,
    negative_log_likelihood,
    brier_score,
    expected_calibration_error,
)


def make(
    images: int, classes: int, seed: int = 0, skip: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Random probabilities that lean to the target; no image of class ``skip``."""
    generator = np.random.default_rng(seed)
    pool = [index for index in range(classes) if index != skip]
    targets = generator.choice(pool, images)
    logits = generator.normal(size=(images, classes)) + 1.5 * np.eye(classes)[targets]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, targets
