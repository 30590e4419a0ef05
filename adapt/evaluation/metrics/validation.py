"""What probabilities and targets must look like before anything is computed from them."""

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError

# Probabilities of a half-precision softmax over many classes miss 1 by a few thousandths.
_SUM_TOLERANCE = 5e-3


def check_targets(targets: npt.ArrayLike, images: int, classes: int) -> IntArray:
    """Check that there is one class index per image.

    Args:
        targets: Shape (N,), integers.
        images: The expected N.
        classes: Number of classes K; each target is in 0 .. K-1.

    Returns:
        The targets as int64.

    Raises:
        DataError: When the shape, the type or a value is wrong.

    >>> check_targets([0, 2, 1], images=3, classes=3)
    array([0, 2, 1])
    """
    given = np.asarray(targets)
    if given.shape != (images,):
        raise DataError(
            f"targets - not one per image - shape {given.shape} for {images} images - give shape "
            f"({images},)"
        )
    if images and not np.issubdtype(given.dtype, np.integer):
        raise DataError(f"targets - not integers - {given.dtype} - give class indices")
    checked = given.astype(np.int64)
    wrong = np.flatnonzero((checked < 0) | (checked >= classes))
    if wrong.size:
        raise DataError(
            f"targets[{wrong[0]}] - no such class - {checked[wrong[0]]} - give indices from 0 to "
            f"{classes - 1}"
        )
    return checked


def check_probabilities(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike
) -> tuple[FloatArray, IntArray]:
    """Check that each row is a probability distribution and each target one of its classes.

    Args:
        probabilities: Shape (N, K), rows sum to 1 (within 0.005, for half precision).
        targets: Shape (N,), class indices.

    Returns:
        Both, as float64 and int64.

    Raises:
        DataError: When a shape, a type or a value is wrong.

    >>> check_probabilities([[0.25, 0.75]], [1])
    (array([[0.25, 0.75]]), array([1]))
    """
    checked = np.asarray(probabilities, dtype=np.float64)
    if checked.ndim != 2 or checked.shape[1] == 0:
        raise DataError(
            f"probabilities - not one row per image - shape {checked.shape} - give shape "
            "(images, classes)"
        )
    sums = checked.sum(axis=1)
    good = np.isfinite(sums) & (checked >= 0).all(axis=1) & (abs(sums - 1) <= _SUM_TOLERANCE)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"probabilities[{row}] - not a probability distribution - sum {sums[row]:.6g}, lowest "
            f"{checked[row].min():.6g} - give softmax(logits), not logits"
        )
    return checked, check_targets(targets, *checked.shape)


def check_some(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    """As `check_probabilities`, and refuse zero images, on which no mean is defined.

    Args:
        probabilities: Shape (N, K), N at least 1.
        targets: Shape (N,), class indices.

    Returns:
        Both, as float64 and int64.

    Raises:
        DataError: As `check_probabilities`, or when N is 0.

    >>> check_some([[0.25, 0.75]], [1])[1]
    array([1])
    """
    checked, indices = check_probabilities(probabilities, targets)
    if not len(checked):
        raise DataError("probabilities - no images - 0 rows - give at least one image")
    return checked, indices
