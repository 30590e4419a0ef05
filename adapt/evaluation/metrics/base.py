"""What a metric is, and the table of those that `scores.json` holds for every model and eval."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from adapt.common.arrays import FloatArray, IntArray
from adapt.common.registry import Registry
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import mean_interval, proportion_interval
from adapt.evaluation.metrics.masking import check_logits

PerImage = Callable[[FloatArray, IntArray], FloatArray]
ONE_CLASS = "there is only one class to choose from, so every answer is right"


class Metric(ABC):
    """A number computed from log-probabilities (N, K) and targets (N,), and its interval.

    Calling it takes logits and checks its arguments first:

    >>> from adapt.evaluation.metrics.accuracy import accuracy
    >>> accuracy([[2.0, 0.5], [1.0, 0.0], [0.0, 1.0], [-3.0, 0.0]], [0, 1, 1, 1])
    0.75
    """

    def __call__(self, logits: npt.ArrayLike, targets: npt.ArrayLike) -> float:
        """The metric of one set.

        Args:
            logits: Shape (N, K); their softmax are the probabilities.
            targets: Shape (N,), class indices.

        Raises:
            DataError: When the arrays are malformed or empty, or the metric says nothing on them.
        """
        logs, indices = log_probabilities(logits, targets)
        reason = self.undefined(logs, indices)
        if reason:
            raise DataError(f"metric - not defined - {reason} - score more classes or images")
        return self.value(logs, indices)

    @abstractmethod
    def value(self, logs: FloatArray, targets: IntArray) -> float:
        """The metric of checked arrays with at least one image."""

    def interval(self, logs: FloatArray, targets: IntArray, interval: str) -> list[float] | None:
        """The 95 % interval of the value; None where there is none that can be trusted.

        Args:
            logs: Log-probabilities, shape (N, K).
            targets: Shape (N,).
            interval: Of proportions; see `proportion_interval`.
        """
        return None

    def undefined(self, logs: FloatArray, targets: IntArray) -> str | None:
        """Why the metric says nothing on this set; None where it does."""
        return ONE_CLASS if logs.shape[1] == 1 else None


class MeanOverImages(Metric):
    """The mean of one value per image; see `metric`."""

    def __init__(self, per_image: PerImage) -> None:
        self.per_image = per_image

    def value(self, logs: FloatArray, targets: IntArray) -> float:
        """The mean."""
        return float(self.per_image(logs, targets).mean())

    def interval(self, logs: FloatArray, targets: IntArray, interval: str) -> list[float] | None:
        """That of a proportion where every value is 0 or 1, else that of a mean."""
        values = self.per_image(logs, targets)
        if np.isin(values, (0, 1)).all():
            return proportion_interval(float(values.sum()), len(values), interval)
        return mean_interval(values)


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


def log_probabilities(logits: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    """The log-softmax of logits in float64, where no probability is rounded to 0; and the targets.

    Args:
        logits: Shape (N, K), N at least 1; minus infinity marks a class that cannot win.
        targets: Shape (N,), class indices.

    Raises:
        DataError: When the arrays are malformed or empty.

    >>> log_probabilities([[0.0, 800.0]], [0])[0].tolist()
    [[-800.0, 0.0]]
    """
    checked, indices = check_logits(logits, targets)
    logs: FloatArray = log_softmax(checked.astype(np.float64), axis=1)
    return logs, indices


def of_true_class(logs: FloatArray, targets: IntArray) -> FloatArray:
    """The log-probability (N,) of the true class of each image."""
    chosen: FloatArray = np.take_along_axis(logs, targets[:, None], axis=1)[:, 0]
    return chosen
