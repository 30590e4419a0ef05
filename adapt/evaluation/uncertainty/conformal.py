"""Split conformal prediction: sets of classes that hold the true one at a stated level.

Thresholds come from held-out images. The true class of a new image is in its set with probability
at least `level` - over the draw of both - when the held-out and the new images are exchangeable,
for instance drawn from one distribution. Under shift nothing is promised: measure it. Where val
also served to choose alpha and the temperature, its scores are a little better than those of new
images, and the sets a little too small.

Papers: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005); Sadinle, Lei and
Wasserman, Least Ambiguous Set-Valued Classifiers, arXiv:1609.00451 (the score 1 - p of the true
class); Angelopoulos and Bates, A Gentle Introduction to Conformal Prediction, arXiv:2107.07511.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import FloatArray
from adapt.errors import DataError
from adapt.evaluation.metrics.validation import check_probabilities, check_targets
from adapt.evaluation.uncertainty.selective import part_of


class SetScores(TypedDict):
    """What `set_scores` returns."""

    coverage: float
    size: float
    single: float
    empty: float


def true_class_scores(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> FloatArray:
    """Nonconformity of each image: 1 - probability of its true class.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.

    Returns:
        Shape (N,), from 0 to 1.

    Raises:
        DataError: When the arrays are malformed.

    >>> true_class_scores([[0.75, 0.25]], [1]).tolist()
    [0.75]
    """
    checked, indices = check_probabilities(probabilities, targets)
    scores: FloatArray = 1.0 - checked[np.arange(len(checked)), indices]
    return scores


def conformal_threshold(scores: npt.ArrayLike, level: float) -> float:
    """The ceil((n + 1) * level)-th smallest of n held-out scores.

    That is the ceil((n + 1) * level) / n quantile, without interpolation.

    Args:
        scores: Shape (n,), nonconformity of held-out images, such as `true_class_scores`.
        level: The fraction of new images whose true class is to be in their set, between 0 and 1.

    Returns:
        The threshold; infinity when n < level / (1 - level), too few images for any promise.

    Raises:
        DataError: When the scores are malformed or the level is out of range.
    """
    if not 0 < level < 1:
        raise DataError(f"level - out of range - {level} - give a number between 0 and 1")
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError(
            f"scores - not one finite number per image - shape {values.shape} - give shape "
            "(images,)"
        )
    # A new score is among the lowest `rank` of n + 1 exchangeable ones with probability >= level.
    rank = part_of(level, len(values) + 1)
    return float(np.sort(values)[rank - 1]) if rank <= len(values) else float("inf")


def class_thresholds(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, level: float
) -> FloatArray:
    """A threshold per class, each from the held-out images of that class (Mondrian).

    The level then holds within every class and not only on average over them.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        level: Between 0 and 1.

    Returns:
        Shape (K,); infinity for a class with fewer than level / (1 - level) images: it is
        *uncovered* and in every set.

    Raises:
        DataError: When the arrays are malformed or the level is out of range.

    >>> class_thresholds([[0.75, 0.25], [0.5, 0.5]], [0, 0], level=0.5).tolist()
    [0.5, inf]
    """
    checked, indices = check_probabilities(probabilities, targets)
    scores = true_class_scores(checked, indices)
    return np.array(
        [conformal_threshold(scores[indices == k], level) for k in range(checked.shape[1])]
    )


def uncovered_classes(thresholds: npt.ArrayLike, names: Sequence[str]) -> list[str]:
    """The classes whose threshold is infinite: too few held-out images.

    Raises:
        DataError: When there is not one name per threshold.

    >>> uncovered_classes([0.5, float("inf")], ["cat", "dog"])
    ['dog']
    """
    values = np.asarray(thresholds, dtype=np.float64)
    if values.shape != (len(names),):
        raise DataError(
            f"names - not one per class - {len(names)} names for thresholds of shape "
            f"{values.shape} - give one per class"
        )
    return [name for name, value in zip(names, values, strict=True) if np.isinf(value)]


def set_scores(sets: npt.ArrayLike, targets: npt.ArrayLike) -> SetScores:
    """How often sets hold the true class, and how much they leave open.

    Args:
        sets: Shape (N, K), N at least 1, true where a class is in the set of an image, as from
            `adapt.models.prediction.uncertainty.prediction_sets`.
        targets: Shape (N,), class indices.

    Returns:
        ``coverage``, the fraction of images whose true class is in the set; ``size``, the mean
        number of classes in a set; ``single`` and ``empty``, the fractions of sets with one and no
        class.

    Raises:
        DataError: When the arrays are malformed or empty.

    >>> set_scores([[True, False], [True, True]], [1, 0])
    {'coverage': 0.5, 'size': 1.5, 'single': 0.5, 'empty': 0.0}
    """
    chosen = np.asarray(sets, dtype=np.bool_)
    if chosen.ndim != 2 or 0 in chosen.shape:
        raise DataError(
            f"sets - not one row per image - shape {chosen.shape} - give shape (images, classes)"
        )
    indices = check_targets(targets, *chosen.shape)
    sizes = chosen.sum(axis=1)
    return SetScores(
        coverage=float(chosen[np.arange(len(chosen)), indices].mean()),
        size=float(sizes.mean()),
        single=float((sizes == 1).mean()),
        empty=float((sizes == 0).mean()),
    )
