"""How accurate models are on images without labels, from how often they agree."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError


def agreement(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """The share of images on which two models give the same class.

    Args:
        first: Answers of one model, class numbers (N,), N at least 1.
        second: Of the other on the same images, shape (N,).

    Raises:
        DataError: When the arrays are malformed.

    >>> agreement([0, 1, 1, 2], [0, 1, 2, 2])
    0.75
    """
    pair = _answers("answers", [np.asarray(first), np.asarray(second)])
    return float((pair[0] == pair[1]).mean())


def difference_of_agreements(accuracy: float, reference: float, new: float) -> float:
    """The accuracy falls by as much as the agreement of two models does.

    That disagreement says something about errors: Generalized Disagreement Equality,
    arXiv:2106.13799, which takes the two for equal; here only their changes are.

    Args:
        accuracy: Of the model on reference images, 0 to 1.
        reference: Agreement of the two models on these.
        new: Agreement on new images.

    Returns:
        From 0 to 1.

    >>> round(difference_of_agreements(0.9, reference=0.8, new=0.7), 6)
    0.8
    """
    return float(np.clip(accuracy - (reference - new), 0.0, 1.0))


def agreement_on_the_line(
    reference: npt.ArrayLike, accuracies: npt.ArrayLike, new: npt.ArrayLike
) -> FloatArray:
    """ALine-D: accuracies that lie on the line on which the agreements of all pairs lie.

    On the scale of the normal quantile, agreement on new images is often a linear function of that
    on reference images, and accuracy is the same function. The line is fitted to the agreements,
    and the accuracies follow from a system of linear equations, one for each pair. Where pairs do
    not differ on reference images there is no slope to be fitted, and it is 1.

    Args:
        reference: Answers of A models on M reference images, class numbers (A, M), A at least 2.
        accuracies: Of the models on these images, shape (A,), 0 to 1.
        new: Answers of the same models on N new images, shape (A, N).

    Returns:
        Accuracies on the new images, shape (A,), 0 to 1.

    Raises:
        DataError: When the arrays are malformed, or there are fewer than three models: two have
            one agreement, and no line.

    Paper: Agreement-on-the-Line, arXiv:2206.13089, algorithm 1.
    """
    before, after = _answers("reference", reference), _answers("new", new)
    right = np.asarray(accuracies, dtype=np.float64)
    if len(before) < 3 or right.shape != (len(before),) or len(after) != len(before):
        raise DataError(
            f"models - fewer than three, or not the same - {len(before)} with {right.shape} "
            f"accuracies and {len(after)} on new images - give three or more"
        )
    pairs = list(combinations(range(len(before)), 2))
    x, y = (
        np.array([_probit(agreement(own[i], own[j]), own.shape[1]) for i, j in pairs])
        for own in (before, after)
    )
    slope = _slope(x, y)
    known = np.array([_probit(value, before.shape[1]) for value in right])
    half = np.zeros((len(pairs), len(before)))
    for row, pair in enumerate(pairs):
        half[row, list(pair)] = 0.5
    solved = np.linalg.lstsq(half, y + slope * (half @ known - x), rcond=None)[0]
    return np.asarray(ndtr(solved), dtype=np.float64)


def _slope(x: FloatArray, y: FloatArray) -> float:
    if np.ptp(x) < 1e-9:
        return 1.0
    return float(np.polyfit(x, y, 1)[0])


def _probit(share: float, images: int) -> float:
    """The normal quantile; half an image is added or taken away at the ends, where it is infinite.

    >>> round(_probit(0.975, 1000), 3), round(_probit(1.0, 100), 3)
    (1.96, 2.576)
    """
    least = 0.5 / images
    return float(ndtri(np.clip(share, least, 1 - least)))


def _answers(name: str, given: npt.ArrayLike | list[IntArray]) -> IntArray:
    try:
        values = np.asarray(given)
    except ValueError:
        values = np.empty(0)
    if values.ndim != 2 or not values.size or not np.issubdtype(values.dtype, np.integer):
        raise DataError(
            f"{name} - not class numbers of each model - shape {values.shape} - give shape "
            "(models, images), at least one image"
        )
    return values.astype(np.int64)
