"""How often the most probable class is the true one, over images and over classes."""

import numpy as np

from adapt.common.arrays import FloatArray, IntArray
from adapt.evaluation.metrics.base import METRICS, Metric, metric
from adapt.evaluation.metrics.intervals import mean_of_proportions_interval

ONE_SHOWN = "the set has images of one class only: its balanced accuracy is the accuracy"


@metric("accuracy")
def accuracy(logs: FloatArray, targets: IntArray) -> FloatArray:
    """1 where the predicted class is the true one, 0 elsewhere."""
    right: FloatArray = (logs.argmax(axis=1) == targets).astype(np.float64)
    return right


class BalancedAccuracy(Metric):
    """Mean recall over the classes that have images, so that rare classes count as much."""

    def value(self, logs: FloatArray, targets: IntArray) -> float:
        """From 0 to 1."""
        right, images = _by_class(logs, targets)
        return float((right / images).mean())

    def interval(self, logs: FloatArray, targets: IntArray, interval: str) -> list[float] | None:
        """That of the mean of the recalls, with the images per class as they are."""
        return mean_of_proportions_interval(*_by_class(logs, targets), interval)

    def undefined(self, logs: FloatArray, targets: IntArray) -> str | None:
        """Where images are of one class, there is nothing to balance."""
        few = ONE_SHOWN if len(np.unique(targets)) == 1 else None
        return super().undefined(logs, targets) or few


balanced_accuracy = BalancedAccuracy()
METRICS.register("balanced_accuracy", balanced_accuracy)


def _by_class(logs: FloatArray, targets: IntArray) -> tuple[FloatArray, FloatArray]:
    """Right answers and images of every class that has some."""
    correct = targets[logs.argmax(axis=1) == targets]
    images = np.bincount(targets).astype(np.float64)
    right = np.bincount(correct, minlength=len(images)).astype(np.float64)
    shown = images > 0
    return right[shown], images[shown]
