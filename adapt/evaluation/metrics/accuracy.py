"""How often the most probable class is the true one, over images and over classes."""

import numpy as np
from scipy import sparse

from adapt.common.arrays import FloatArray, IntArray
from adapt.evaluation.metrics.base import METRICS, Metric, metric
from adapt.evaluation.metrics.per_class import confusion_matrix


@metric("accuracy")
def accuracy(probabilities: FloatArray, targets: IntArray) -> FloatArray:
    """1 where the predicted class is the true one, 0 elsewhere."""
    right: FloatArray = (probabilities.argmax(axis=1) == targets).astype(np.float64)
    return right


class BalancedAccuracy(Metric):
    """Mean recall over the classes that have images, so that rare classes count as much."""

    def value(self, probabilities: FloatArray, targets: IntArray) -> float:
        """From 0 to 1."""
        matrix = confusion_matrix(probabilities, targets)
        images = matrix.sum(axis=1)
        return float((matrix.diagonal()[images > 0] / images[images > 0]).mean())

    def statistics(self, probabilities: FloatArray, targets: IntArray) -> sparse.csr_array:
        """Shape (N, 2K): column k marks the images of class k, column K + k the right ones."""
        images, classes = probabilities.shape
        right = accuracy.statistics(probabilities, targets)[:, 0]
        rows, columns = np.tile(np.arange(images), 2), np.append(targets, classes + targets)
        values = np.append(np.ones(images), right)
        return sparse.csr_array((values, (rows, columns)), shape=(images, 2 * classes))

    def of_sums(self, sums: FloatArray, images: int) -> FloatArray:
        """Mean recall over the classes that were drawn."""
        drawn, right = np.split(sums, 2, axis=1)
        recall = right / np.maximum(drawn, 1)  # classes that were not drawn add nothing to the sum
        balanced: FloatArray = recall.sum(axis=1) / (drawn > 0).sum(axis=1)
        return balanced


balanced_accuracy = BalancedAccuracy()
METRICS.register("balanced_accuracy", balanced_accuracy)
