"""Split conformal prediction: sets of classes that hold the true one at a stated level.

Thresholds come from held-out images. The true class of a new image is in its set with probability
at least `level` - over the draw of both - when the held-out and the new images are exchangeable,
for instance drawn from one distribution. Under shift nothing is promised: measure it. Where val
also served to choose alpha and the temperature, its scores are a little better than those of new
images, and the sets a little too small.

The scores are in `adapt.models.prediction.conformal`, so that a shipped model makes the same sets.

Papers: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005); Angelopoulos and
Bates, A Gentle Introduction to Conformal Prediction, arXiv:2107.07511.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import FloatArray
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import WILSON, proportion_interval
from adapt.evaluation.metrics.validation import check_probabilities, check_targets
from adapt.evaluation.uncertainty.selective import part_of
from adapt.models.prediction.conformal import LEAST_AMBIGUOUS, SetRule, class_scores


class SetScores(TypedDict):
    """What `set_scores` returns."""

    coverage: float
    coverage_ci: list[float] | None
    size: float
    single: float
    single_ci: list[float] | None
    empty: float
    empty_ci: list[float] | None


def true_class_scores(
    probabilities: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: SetRule = LEAST_AMBIGUOUS,
    draws: npt.ArrayLike | None = None,
) -> FloatArray:
    """Nonconformity of each image: the score of its true class.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        rule: Which score.
        draws: Shape (N,), from `draws_of`; used where the rule is randomised.

    Returns:
        Shape (N,).

    Raises:
        DataError: When the arrays are malformed.

    >>> true_class_scores([[0.75, 0.25]], [1]).tolist()
    [0.75]
    """
    checked, indices = check_probabilities(probabilities, targets)
    scores: FloatArray = class_scores(checked, rule, draws)[np.arange(len(checked)), indices]
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
    probabilities: npt.ArrayLike,
    targets: npt.ArrayLike,
    level: float,
    rule: SetRule = LEAST_AMBIGUOUS,
    draws: npt.ArrayLike | None = None,
) -> FloatArray:
    """A threshold per class, each from the held-out images of that class (Mondrian).

    The level then holds within every class and not only on average over them.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        level: Between 0 and 1.
        rule: Which score.
        draws: Shape (N,), from `draws_of`; used where the rule is randomised.

    Returns:
        Shape (K,); infinity for a class whose threshold says nothing: it has fewer than
        level / (1 - level) images, or every held-out image would have the class in its set.

    Raises:
        DataError: When the arrays are malformed or the level is out of range.

    >>> probabilities = [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]
    >>> class_thresholds(probabilities, [0, 0, 1], level=0.5).tolist()
    [0.5, 0.25]
    """
    checked, indices = check_probabilities(probabilities, targets)
    scores = class_scores(checked, rule, draws)
    own = scores[np.arange(len(checked)), indices]
    thresholds = np.array(
        [conformal_threshold(own[indices == k], level) for k in range(checked.shape[1])]
    )
    if len(checked) and checked.shape[1] > 1:
        thresholds[scores.max(axis=0) <= thresholds] = np.inf
    return thresholds


def uncovered_classes(thresholds: npt.ArrayLike, names: Sequence[str]) -> list[str]:
    """The classes whose threshold is infinite: it says nothing about an image.

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


def set_scores(sets: npt.ArrayLike, targets: npt.ArrayLike, interval: str = WILSON) -> SetScores:
    """How often sets hold the true class, and how much they leave open.

    Args:
        sets: Shape (N, K), N at least 1, true where a class is in the set of an image, as from
            `adapt.models.prediction.conformal.prediction_sets`.
        targets: Shape (N,), class indices.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        ``coverage``, the fraction of images whose true class is in the set; ``size``, the mean
        number of classes in a set; ``single`` and ``empty``, the fractions of sets with one and no
        class; of each fraction the 95 % interval.

    Raises:
        DataError: When the arrays are malformed or empty.

    >>> scores = set_scores([[True, False], [True, True]], [1, 0])
    >>> scores["coverage"], scores["size"], scores["single"], scores["empty"]
    (0.5, 1.5, 0.5, 0.0)
    """
    chosen = np.asarray(sets, dtype=np.bool_)
    if chosen.ndim != 2 or 0 in chosen.shape:
        raise DataError(
            f"sets - not one row per image - shape {chosen.shape} - give shape (images, classes)"
        )
    indices = check_targets(targets, *chosen.shape)
    sizes, images = chosen.sum(axis=1), len(chosen)
    held = int(chosen[np.arange(images), indices].sum())
    single, empty = int((sizes == 1).sum()), int((sizes == 0).sum())
    return SetScores(
        coverage=held / images,
        coverage_ci=proportion_interval(held, images, interval),
        size=float(sizes.mean()),
        single=single / images,
        single_ci=proportion_interval(single, images, interval),
        empty=empty / images,
        empty_ci=proportion_interval(empty, images, interval),
    )
