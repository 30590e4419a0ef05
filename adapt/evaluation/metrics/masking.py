"""Scoring on some of a model's classes only, for sets in which the others do not occur."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import BoolArray, IntArray
from adapt.errors import DataError
from adapt.evaluation.metrics.validation import check_targets

Logits = np.ndarray[Any, np.dtype[np.floating[Any]]]


@dataclass(frozen=True)
class Masked:
    """Logits of one set in which absent classes cannot win; what `mask_absent` returns.

    >>> Masked(np.zeros((1, 3)), present=2, of=3).lacks_classes
    True
    """

    logits: Logits
    """Shape (N, K); minus infinity in the columns of absent classes, where a softmax gives 0."""
    present: int
    """Number of classes that occur."""
    of: int
    """Number K of classes of the model."""

    @property
    def lacks_classes(self) -> bool:
        """Whether any class is absent."""
        return self.present < self.of


def mask_absent(logits: npt.ArrayLike, targets: npt.ArrayLike) -> Masked:
    """Leave only the classes that occur in `targets` to choose from.

    A set with 20 of 32 classes is scored as a test of these 20, as ImageNet-A and ObjectNet are
    (Taori et al. 2020, arXiv:2007.00644): a model that answers with an absent class would be
    blamed for knowing more than the set asks. Nothing changes where all classes occur, nor
    where only one does: every answer would be right.

    Args:
        logits: Shape (N, K).
        targets: Shape (N,), class indices.

    Returns:
        The masked logits, and how many classes are present.

    Raises:
        DataError: When the arrays are malformed, or there is no image: then no class is shared.
    """
    checked, indices = check_logits(logits, targets)
    present = np.unique(indices)
    kept = _only(checked, present) if len(present) > 1 else checked.copy()
    return Masked(kept, len(present), checked.shape[1])


def match_classes(
    logits: npt.ArrayLike, targets: npt.ArrayLike, classes: npt.ArrayLike
) -> tuple[Logits, IntArray]:
    """The images of some classes, with only these classes to choose from.

    What makes the accuracy on one set comparable with that on a set of fewer classes.

    Args:
        logits: Shape (N, K).
        targets: Shape (N,), class indices.
        classes: Class indices to keep, in any order, repeated or not.

    Returns:
        Logits (n, K) and targets (n,) of the n images that are kept; n may be 0.

    Raises:
        DataError: When the arrays are malformed.

    >>> match_classes([[1.0, 9.0, 2.0], [3.0, 9.0, 0.0]], [1, 2], [0, 2])
    (array([[  3., -inf,   0.]]), array([2]))
    """
    checked, indices = check_logits(logits, targets)
    wanted = np.unique(np.asarray(classes))
    rows = np.isin(indices, wanted)
    return _only(checked[rows], wanted), indices[rows]


def right(logits: npt.ArrayLike, targets: npt.ArrayLike) -> BoolArray:
    """Whether the class with the highest logit is the true one, the first of several on a tie.

    Args:
        logits: Shape (N, K); minus infinity marks a class that cannot win.
        targets: Shape (N,), class indices.

    Returns:
        Shape (N,).

    Raises:
        DataError: When the arrays are malformed, or there is no image.

    >>> right([[1.0, 2.0], [3.0, 0.0]], [1, 1]).tolist()
    [True, False]
    """
    checked, indices = check_logits(logits, targets)
    matches: BoolArray = checked.argmax(axis=1) == indices
    return matches


def check_logits(logits: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[Logits, IntArray]:
    """Check that there is a row of logits and a class index for each of some images.

    Args:
        logits: Shape (N, K), N at least 1; minus infinity marks a class that cannot win.
        targets: Shape (N,), class indices.

    Returns:
        Both, the targets as int64.

    Raises:
        DataError: When a shape, a type or a value is wrong, or N is 0.

    >>> check_logits([[0.0, 1.0]], [1])[1]
    array([1])
    """
    checked = np.asarray(logits)
    if checked.ndim != 2 or 0 in checked.shape:
        raise DataError(
            f"logits - not one row per image - shape {checked.shape} - give shape (images, "
            "classes) with one image or more, of classes that the model knows"
        )
    if not np.issubdtype(checked.dtype, np.floating):
        checked = checked.astype(np.float64)
    rows = np.isnan(checked).any(axis=1) | ~np.isfinite(checked.max(axis=1))
    if rows.any():
        row = int(np.flatnonzero(rows)[0])
        raise DataError(
            f"logits[{row}] - no highest class - {checked[row][:5].tolist()} - give numbers, minus "
            "infinity only for classes that cannot win"
        )
    return checked, check_targets(targets, *checked.shape)


def _only(logits: Logits, classes: IntArray) -> Logits:
    if len(classes) == logits.shape[1]:
        return logits
    masked = np.full_like(logits, -np.inf)
    masked[:, classes] = logits[:, classes]
    return masked
