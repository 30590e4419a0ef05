"""Counts and ratios of each class.

Ratios are taken here and not by scikit-learn, which warns where one has no denominator and gives 0
or NaN: an undefined ratio is `None` in the files of a run.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import IntArray
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import WILSON, proportion_interval
from adapt.evaluation.metrics.validation import check_probabilities


class ClassRow(TypedDict):
    """One row of `per_class_table`; a ratio without a denominator is ``None``, never 0."""

    name: str
    n: int
    recall: float | None
    recall_ci: list[float] | None
    precision: float | None
    precision_ci: list[float] | None
    f1: float | None
    f1_ci: list[float] | None


def confusion_matrix(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> IntArray:
    """Count images by true and predicted class, the first of several on a tie.

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
    cells = indices * classes + checked.argmax(axis=1)
    counts: IntArray = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    return counts


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def per_class_table(
    probabilities: npt.ArrayLike,
    targets: npt.ArrayLike,
    names: Sequence[str] | None = None,
    interval: str = WILSON,
) -> list[ClassRow]:
    """Recall, precision and F1 of every class, in class order, with their 95 % intervals.

    F1 is 2J / (1 + J), where J is a proportion: the right answers among the images that are of the
    class or taken for it. Its interval is that of J, carried over.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        names: K class names; the class indices when left out.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        One dict per class: ``name``, ``n`` (images of the class), ``recall``, ``precision``,
        ``f1`` (from 0 to 1), each with its ``_ci``. Undefined ones are ``None``: recall without
        images of the class, precision when it was never predicted, F1 when either holds.

    Raises:
        DataError: When the arrays are malformed or there is not one name per class.

    >>> row = per_class_table([[0.9, 0.1], [0.8, 0.2]], [0, 1], names=["cat", "dog"])[0]
    >>> row["name"], row["recall"], row["precision"], round(row["f1"], 3)
    ('cat', 1.0, 0.5, 0.667)
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
        _class_row(name, int(right), int(images), int(predicted), interval)
        for name, right, images, predicted in rows
    ]


def _class_row(name: str, right: int, images: int, predicted: int, interval: str) -> ClassRow:
    either = images + predicted - right if images and predicted else 0
    ends = proportion_interval(right, either, interval)
    return ClassRow(
        name=name,
        n=images,
        recall=_ratio(right, images),
        recall_ci=proportion_interval(right, images, interval),
        precision=_ratio(right, predicted),
        precision_ci=proportion_interval(right, predicted, interval),
        f1=_ratio(2 * right, either + right if either else 0),
        f1_ci=None if ends is None else [2 * end / (1 + end) for end in ends],
    )
