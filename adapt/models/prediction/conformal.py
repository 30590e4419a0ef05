"""Conformal sets of classes: how unusual each class is for an image, and which ones are kept.

A class is kept when its score is at most a threshold that was chosen on held-out images. Each score
of an image is a fixed function of the image, also where it is randomised, so that one image
gets one set, and the promise of split conformal prediction holds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import BoolArray, FloatArray
from adapt.errors import DataError, did_you_mean

SCORES = (LAC, APS, RAPS) = ("lac", "aps", "raps")
_DIGITS = 1000


@dataclass(frozen=True)
class SetRule:
    """How the sets are made.

    Raises:
        DataError: When the score is not known or a number is out of range.

    >>> SetRule("raps", penalty=0.01, free_ranks=5).largest(classes=10)
    1.05
    """

    score: str = LAC
    """`lac` (1 - p; smallest sets on average), `aps` (the probabilities down to the class; larger
    sets for hard images, smaller ones for easy) or `raps` (with a penalty on low ranks too)."""
    randomised: bool = False
    """Whether `aps` and `raps` count a random part of the class's own probability, as in their
    papers, instead of nothing of it: sets are smaller and the coverage is nearer to the level."""
    empty: bool = False
    """Whether a set may be empty; otherwise it holds the most probable class at least."""
    penalty: float = 0.0
    """`raps`: added to the score for each rank beyond `free_ranks`."""
    free_ranks: int = 0
    """`raps`: ranks without a penalty."""

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            hint = did_you_mean(str(self.score), SCORES)
            raise DataError(
                f"conformal score - not known - {self.score!r} - choose one of "
                f"{', '.join(SCORES)}{hint}"
            )
        if not (0 <= self.penalty < np.inf and self.free_ranks >= 0):
            raise DataError(
                f"conformal penalty - out of range - {self.penalty} beyond rank "
                f"{self.free_ranks} - give numbers of at least 0"
            )

    def largest(self, classes: int) -> float:
        """The highest score that a class can have."""
        return 1.0 + self.penalty * max(0, classes - self.free_ranks) * (self.score == RAPS)


LEAST_AMBIGUOUS = SetRule()


def draws_of(logits: npt.ArrayLike) -> FloatArray:
    """A number from 0 to 1 for each image, spread evenly, that only the image decides.

    It is the fraction of a thousand times the highest logit: digits that carry no meaning, and that
    change little where another device rounds differently.

    Args:
        logits: Shape (N, K).

    >>> draws_of([[0.0, 31.25025]]).round(3).tolist()
    [0.25]
    """
    highest = np.asarray(logits, dtype=np.float64).max(axis=1)
    draws: FloatArray = np.mod(highest * _DIGITS, 1.0)
    return draws


def class_scores(
    probabilities: npt.ArrayLike,
    rule: SetRule = LEAST_AMBIGUOUS,
    draws: npt.ArrayLike | None = None,
) -> FloatArray:
    """The nonconformity of every class for every image.

    For `aps` and `raps`: the probabilities of all classes that are more probable, plus the draw
    times its own where the rule is randomised, plus the penalty of its rank. Classes of equal
    probability rank in their order. Not randomised, the most probable class has the score 0 (and
    its penalty), so that it is in every set, as in the code of the authors of `aps`.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        rule: Which score.
        draws: Shape (N,), from `draws_of`; used where the rule is randomised.

    Returns:
        Shape (N, K).

    Raises:
        DataError: When the rule is randomised and there are no draws.

    Papers: Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued Classifiers, arXiv:1609.00451
    (`lac`); Romano, Sesia and Candès, Classification with Valid and Adaptive Coverage,
    arXiv:2006.02544 (`aps`); Angelopoulos et al., Uncertainty Sets for Image Classifiers using
    Conformal Prediction, arXiv:2009.14193 (`raps`).

    >>> class_scores([[0.2, 0.7, 0.1]], SetRule("aps")).round(2).tolist()
    [[0.7, 0.0, 0.9]]
    """
    checked = np.asarray(probabilities, dtype=np.float64)
    if rule.score == LAC:
        scores: FloatArray = 1.0 - checked
        return scores
    order = np.argsort(-checked, axis=1, kind="stable")
    ranked = np.take_along_axis(checked, order, axis=1)
    if rule.randomised and draws is None:
        raise DataError("draws - missing - None - give `draws_of(logits)` to a randomised rule")
    counted = np.asarray(draws if rule.randomised else 0.0, dtype=np.float64).reshape(-1, 1)
    sums = np.minimum(np.cumsum(ranked, axis=1) - ranked + counted * ranked, 1.0)
    if rule.score == RAPS:
        sums += rule.penalty * np.maximum(np.arange(1, checked.shape[1] + 1) - rule.free_ranks, 0)
    scores = np.empty_like(sums)
    np.put_along_axis(scores, order, sums, axis=1)
    return scores


def prediction_sets(
    probabilities: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    rule: SetRule = LEAST_AMBIGUOUS,
    draws: npt.ArrayLike | None = None,
) -> BoolArray:
    """The classes whose score is at most the threshold.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        thresholds: One number, or one per class of shape (K,).
        rule: How the sets are made.
        draws: Shape (N,), from `draws_of`; used where the rule is randomised.

    Returns:
        Shape (N, K), true where the class is in the set of the image.

    >>> prediction_sets([[0.7, 0.3], [0.5, 0.5]], 0.5).tolist()
    [[True, False], [True, True]]
    >>> prediction_sets([[0.7, 0.3]], 0.1).tolist()
    [[True, False]]
    """
    checked = np.asarray(probabilities, dtype=np.float64)
    chosen: BoolArray = class_scores(checked, rule, draws) <= np.asarray(thresholds, np.float64)
    if not rule.empty:
        bare = np.flatnonzero(~chosen.any(axis=1))
        chosen[bare, checked[bare].argmax(axis=1)] = True
    return chosen
