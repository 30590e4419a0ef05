"""What a metric is, and the table of those that `scores.json` holds for every model and eval."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import sparse

from adapt.common.arrays import FloatArray, IntArray
from adapt.common.registry import Registry
from adapt.evaluation.metrics.validation import check_some

PerImage = Callable[[FloatArray, IntArray], FloatArray]


class Metric(ABC):
    """A number computed from probabilities (N, K) and targets (N,), with a bootstrap interval.

    A sample of the bootstrap is a count for each image. So that no sample has to be put together,
    a metric says what to sum over its images (`statistics`), and what it is of such sums.

    Calling it checks its arguments first:

    >>> from adapt.evaluation.metrics.accuracy import accuracy
    >>> accuracy([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], [0, 1, 1, 1])
    0.75
    """

    def __call__(self, probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> float:
        """The metric of one set.

        Args:
            probabilities: Shape (N, K), rows sum to 1.
            targets: Shape (N,), class indices.

        Raises:
            DataError: When the arrays are malformed or empty.
        """
        return self.value(*check_some(probabilities, targets))

    @abstractmethod
    def value(self, probabilities: FloatArray, targets: IntArray) -> float:
        """The metric of checked arrays with at least one image."""

    @abstractmethod
    def statistics(
        self, probabilities: FloatArray, targets: IntArray
    ) -> FloatArray | sparse.csr_array:
        """What is summed over images, shape (N, S)."""

    @abstractmethod
    def of_sums(self, sums: FloatArray, images: int) -> FloatArray:
        """The metric (samples,) of sums (samples, S) over that many images each."""


class MeanOverImages(Metric):
    """The mean of one value per image; see `metric`."""

    def __init__(self, per_image: PerImage) -> None:
        self.per_image = per_image

    def value(self, probabilities: FloatArray, targets: IntArray) -> float:
        """The mean."""
        return float(self.per_image(probabilities, targets).mean())

    def statistics(self, probabilities: FloatArray, targets: IntArray) -> FloatArray:
        """The values, shape (N, 1)."""
        return np.asarray(self.per_image(probabilities, targets), np.float64)[:, None]

    def of_sums(self, sums: FloatArray, images: int) -> FloatArray:
        """Sums divided by the number of images."""
        return sums[:, 0] / images


METRICS = Registry[Metric](
    "metric", __package__, first=("accuracy", "balanced_accuracy", "nll", "ece", "brier")
)


def metric(name: str) -> Callable[[PerImage], Metric]:
    """Decorator: make the mean of a function's values, one per image, a metric of this name.

    Args:
        name: Its key in `scores.json`; the interval is `NAME_ci`.
    """

    def add(per_image: PerImage) -> Metric:
        mean = MeanOverImages(per_image)
        METRICS.register(name, mean)
        return mean

    return add


def of_true_class(probabilities: FloatArray, targets: IntArray) -> FloatArray:
    """The probability (N,) of the true class of each image."""
    chosen: FloatArray = np.take_along_axis(probabilities, targets[:, None], axis=1)[:, 0]
    return chosen
