"""Scores of a classifier from its probabilities: accuracy, proper scores and calibration.

Everywhere below, ``probabilities`` has shape (N, K), one row per image that sums to 1, and
``targets`` has shape (N,), the true class index of each image. The predicted class is the most
probable one, the first of several on a tie. Counting is torchmetrics' work; ratios are taken here
in float64, because torchmetrics returns float32.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict, cast

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torchmetrics.functional.classification import multiclass_confusion_matrix

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError
from adapt.evaluation.metrics.bootstrap import percentile_interval, resampling_counts
from adapt.evaluation.metrics.calibration import (
    BINS,
    bin_of,
    expected_calibration_error,
    reliability_bins,
)
from adapt.evaluation.metrics.validation import check_probabilities, check_some

__all__ = [
    "ClassRow",
    "Scores",
    "accuracy",
    "balanced_accuracy",
    "brier_score",
    "confusion_matrix",
    "expected_calibration_error",
    "negative_log_likelihood",
    "per_class_table",
    "reliability_bins",
    "score",
]

_SMALLEST = 1e-12


class Scores(TypedDict):
    """What `score` returns: values, and ``[low, high]`` 95 % intervals under ``*_ci``.

    >>> "ece_ci" in Scores.__annotations__
    True
    """

    n: int
    accuracy: float | None
    accuracy_ci: list[float] | None
    balanced_accuracy: float | None
    balanced_accuracy_ci: list[float] | None
    nll: float | None
    nll_ci: list[float] | None
    ece: float | None
    ece_ci: list[float] | None
    brier: float | None
    brier_ci: list[float] | None


class ClassRow(TypedDict):
    """One row of `per_class_table`; a ratio without a denominator is ``None``, never 0.

    >>> ClassRow(name="cat", n=0, recall=None, precision=None, f1=None)["recall"] is None
    True
    """

    name: str
    n: int
    recall: float | None
    precision: float | None
    f1: float | None


def confusion_matrix(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> IntArray:
    """Count images by true and predicted class.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.

    Returns:
        Shape (K, K); entry [i, j] counts images of class i predicted as j.

    Raises:
        DataError: When the arrays are malformed.

    >>> confusion_matrix([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 1, 1]).tolist()
    [[1, 0], [1, 1]]
    """
    checked, indices = check_probabilities(probabilities, targets)
    classes = checked.shape[1]
    matrix = multiclass_confusion_matrix(
        torch.from_numpy(checked.argmax(axis=1)),
        torch.from_numpy(indices),
        num_classes=max(classes, 2),  # torchmetrics refuses one class
        validate_args=False,
    )
    counts: IntArray = matrix.numpy()[:classes, :classes].astype(np.int64)
    return counts


def accuracy(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Share of images whose predicted class is the true one, from 0 to 1.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.

    Returns:
        A share from 0 to 1.

    Raises:
        DataError: When the arrays are malformed or empty.

    >>> accuracy([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], [0, 1, 1, 1])
    0.75
    """
    checked, indices = check_some(probabilities, targets)
    return float((checked.argmax(axis=1) == indices).mean())


def balanced_accuracy(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Mean recall over the classes that have images, so that rare classes count as much.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices; classes without images are left out of the mean.

    Returns:
        A share from 0 to 1.

    Raises:
        DataError: When the arrays are malformed or empty.

    >>> balanced_accuracy([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]], [0, 0, 1, 1])
    0.75
    """
    matrix = confusion_matrix(*check_some(probabilities, targets))
    images = matrix.sum(axis=1)
    return float((matrix.diagonal()[images > 0] / images[images > 0]).mean())


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def per_class_table(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, names: Sequence[str] | None = None
) -> list[ClassRow]:
    """Recall, precision and F1 of every class, in class order.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        names: K class names; the class indices when left out.

    Returns:
        One dict per class: ``name``, ``n`` (images of the class), ``recall``, ``precision``,
        ``f1`` (shares from 0 to 1). Undefined ones are ``None``: recall without images of the
        class, precision when it was never predicted, F1 when both hold.

    Raises:
        DataError: When the arrays are malformed or there is not one name per class.

    >>> per_class_table([[0.9, 0.1], [0.8, 0.2]], [0, 1], names=["cat", "dog"])[0]
    {'name': 'cat', 'n': 1, 'recall': 1.0, 'precision': 0.5, 'f1': 0.6666666666666666}
    """
    matrix = confusion_matrix(probabilities, targets)
    if names is None:
        names = [str(index) for index in range(len(matrix))]
    if len(names) != len(matrix):
        raise DataError(
            f"names - not one per class - {len(names)} names for {len(matrix)} classes - give "
            f"{len(matrix)} names"
        )
    rows = zip(names, matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0), strict=True)
    return [
        ClassRow(
            name=name,
            n=int(images),
            recall=_ratio(right, images),
            precision=_ratio(right, predicted),
            f1=_ratio(2 * right, images + predicted),
        )
        for name, right, images, predicted in rows
    ]


def _losses(checked: FloatArray, indices: IntArray) -> FloatArray:
    chosen = np.take_along_axis(checked, indices[:, None], axis=1)[:, 0]
    losses: FloatArray = -np.log(np.clip(chosen, _SMALLEST, 1.0))
    return losses


def _squares(checked: FloatArray, indices: IntArray) -> FloatArray:
    chosen = np.take_along_axis(checked, indices[:, None], axis=1)[:, 0]
    squares: FloatArray = (checked**2).sum(axis=1) - chosen**2 + (1 - chosen) ** 2
    return squares


def negative_log_likelihood(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Mean of -log(probability of the true class), in nats; 0 is perfect, log K is guessing.

    Probabilities are clipped at 1e-12, so one impossible image costs 27.6 and not infinity.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.

    Returns:
        Nats per image, at least 0.

    Raises:
        DataError: When the arrays are malformed or empty.

    >>> round(negative_log_likelihood([[0.5, 0.5], [0.25, 0.75]], [0, 0]), 4)
    1.0397
    """
    return float(_losses(*check_some(probabilities, targets)).mean())


def brier_score(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Squared distance to the one-hot truth, summed over classes, mean over images (Brier, 1950).

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.

    Returns:
        From 0 (perfect) to 2 (certain and wrong).

    Raises:
        DataError: When the arrays are malformed or empty.

    >>> brier_score([[0.5, 0.5], [1.0, 0.0]], [0, 1])
    1.25
    """
    return float(_squares(*check_some(probabilities, targets)).mean())


# In the order of the columns of `_metrics_of_sums`.
_METRICS: dict[str, Callable[[FloatArray, IntArray], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "nll": negative_log_likelihood,
    "ece": expected_calibration_error,
    "brier": brier_score,
}


def _image_statistics(checked: FloatArray, indices: IntArray) -> sparse.csr_array:
    """Per image, what sums to every metric: correct, loss, squares, then class and bin sums.

    Shape (N, 3 + 2K + bins): column 3 + k marks the images of class k, column 3 + K + k the right
    ones of these, and the last columns hold confidence minus correctness in the image's bin.
    """
    images, classes = checked.shape
    confidences, right = checked.max(axis=1), (checked.argmax(axis=1) == indices).astype(np.float64)
    dense = [right, _losses(checked, indices), _squares(checked, indices)]
    values = [*dense, np.ones(images), right, confidences - right]
    columns = [np.full(images, index) for index in range(3)]
    columns += [3 + indices, 3 + classes + indices]
    columns.append(3 + 2 * classes + bin_of(confidences, BINS))
    rows = np.tile(np.arange(images), len(values))
    shape = (images, 3 + 2 * classes + BINS)
    return sparse.csr_array((np.concatenate(values), (rows, np.concatenate(columns))), shape=shape)


def _metrics_of_sums(sums: FloatArray, images: int, classes: int) -> FloatArray:
    """Turn sums of `_image_statistics`, one row per sample, into (samples, metrics)."""
    drawn, right, gaps = np.split(sums[:, 3:], [classes, 2 * classes], axis=1)
    recall = right / np.maximum(drawn, 1)  # classes that were not drawn add nothing to the sum
    balanced = recall.sum(axis=1) / (drawn > 0).sum(axis=1)
    correct, loss, squares = sums[:, :3].T / images
    error = np.abs(gaps).sum(axis=1) / images
    return np.stack([correct, balanced, loss, error, squares], axis=1)


def score(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> Scores:
    """All summary metrics with 95 % percentile-bootstrap intervals over images.

    All metrics share the same resampled images. The interval of the calibration error leans
    upwards, because resampling adds noise to every bin and the error takes absolute values.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        samples: Number of bootstrap samples, at least 1.
        seed: Same seed, same intervals.

    Returns:
        ``n``, and per metric (``accuracy``, ``balanced_accuracy``, ``nll`` in nats, ``ece``,
        ``brier``) the value and ``<metric>_ci`` as ``[low, high]``; all ``None`` on zero images.

    Raises:
        DataError: When the arrays are malformed.

    >>> score([[0.9, 0.1], [0.2, 0.8]], [0, 1])["accuracy_ci"]
    [1.0, 1.0]
    """
    checked, indices = check_probabilities(probabilities, targets)
    images, classes = checked.shape
    scores: dict[str, object] = {"n": images}
    if not images:
        scores |= {key: None for name in _METRICS for key in (name, f"{name}_ci")}
        return cast(Scores, scores)
    statistics = _image_statistics(checked, indices)
    blocks = [counts @ statistics for counts in resampling_counts(images, samples, seed)]
    drawn = _metrics_of_sums(np.concatenate(blocks), images, classes)
    for column, (name, metric) in zip(drawn.T, _METRICS.items(), strict=True):
        scores[name] = metric(checked, indices)
        scores[f"{name}_ci"] = percentile_interval(column)
    return cast(Scores, scores)
