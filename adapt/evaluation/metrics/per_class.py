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
from adapt.evaluation.metrics.validation import check_probabilities


class ClassRow(TypedDict):
    """One row of `per_class_table`; a ratio without a denominator is ``None``, never 0."""

    name: str
    n: int
    recall: float | None
    precision: float | None
    f1: float | None


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
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, names: Sequence[str] | None = None
) -> list[ClassRow]:
    """Recall, precision and F1 of every class, in class order.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        names: K class names; the class indices when left out.

    Returns:
        One dict per class: ``name``, ``n`` (images of the class), ``recall``, ``precision``,
        ``f1`` (from 0 to 1). Undefined ones are ``None``: recall without images of the
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
