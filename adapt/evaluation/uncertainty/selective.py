"""Answer only when confident: risk against coverage, and the confidence to abstain below."""

import math
from fractions import Fraction
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import FloatArray
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import WILSON, proportion_interval

POINTS = 101
"""A curve holds no more points than this; its area is taken before it is thinned."""


class RiskCoverage(TypedDict):
    """What `risk_coverage` returns."""

    coverage: list[float]
    risk: list[float]
    area: float


class Answered(TypedDict):
    """What `answered_scores` returns; the accuracy is ``None`` when nothing is answered."""

    coverage: float
    coverage_ci: list[float] | None
    accuracy: float | None
    accuracy_ci: list[float] | None


def part_of(fraction: float, images: int) -> int:
    """The smallest whole number that is at least `fraction` of `images`, read as a decimal.

    In binary 0.55 * 100 is a little above 55, and rounding it up would give 56.

    >>> part_of(0.55, 100), part_of(0.5, 3)
    (55, 2)
    """
    return math.ceil(Fraction(str(float(fraction))) * images)


def risk_coverage(confidences: npt.ArrayLike, right: npt.ArrayLike) -> RiskCoverage:
    """Error rate among the most confident images, against their fraction of all images.

    Images of equal confidence enter together, so the curve does not depend on their order. The
    area is that of the steps: the mean over all images of the risk at the point where the image
    enters. Without ties that is the usual AURC.

    Args:
        confidences: Shape (N,), N at least 1, finite; higher is more confident.
        right: Shape (N,), whether the prediction is the true class.

    Returns:
        ``coverage`` (rising, ending at 1), the ``risk`` at each, at most 101 points, and ``area``
        (0 is perfect).

    Raises:
        DataError: When an array is malformed or empty.

    Paper: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks,
    arXiv:1705.08500; the area: arXiv:1805.08206.
    """
    values, correct = _checked(confidences, right)
    order = np.argsort(-values, kind="stable")
    last_of_ties = np.append(np.diff(values[order]) != 0, True)
    images = np.flatnonzero(last_of_ties) + 1
    risk = np.cumsum(~correct[order])[last_of_ties] / images
    coverage = images / len(values)
    area = float(np.diff(images, prepend=0) @ risk / len(values))
    # The first point at or after each percent: the ends stay, and so does an even spacing.
    shown = np.unique(np.searchsorted(coverage, np.linspace(0.0, 1.0, POINTS)))
    return RiskCoverage(coverage=coverage[shown].tolist(), risk=risk[shown].tolist(), area=area)


def answering_threshold(scores: npt.ArrayLike, fraction: float) -> float:
    """The highest threshold that at least `fraction` of the scores reach.

    Ties at the threshold all reach it, so more than `fraction` may.

    Args:
        scores: Shape (N,), N at least 1, finite: confidences on val, never on a test set.
        fraction: Above 0, at most 1.

    Returns:
        One of the scores.

    Raises:
        DataError: When the scores are malformed or empty, or the fraction is out of range.

    >>> answering_threshold([0.9, 0.2, 0.7, 0.4], fraction=0.75)
    0.4
    """
    if not 0 < fraction <= 1:
        raise DataError(
            f"coverage - out of range - {fraction} - give a fraction above 0 and at most 1"
        )
    values, _ = _checked(scores, np.ones(np.shape(scores), np.bool_))
    return float(np.sort(values)[len(values) - part_of(fraction, len(values))])


def answered_scores(
    confidences: npt.ArrayLike, right: npt.ArrayLike, threshold: float, interval: str = WILSON
) -> Answered:
    """How much is answered at a threshold, and how well.

    Args:
        confidences: Shape (N,), N at least 1.
        right: Shape (N,), whether the prediction is the true class.
        threshold: Images with a lower confidence are not answered.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        ``coverage``, the fraction answered, and ``accuracy`` among these, each with its 95 %
        interval.

    Raises:
        DataError: When an array is malformed or empty.

    >>> scores = answered_scores([0.9, 0.8, 0.3, 0.2], [True, False, True, True], threshold=0.5)
    >>> scores["coverage"], scores["accuracy"]
    (0.5, 0.5)
    """
    values, correct = _checked(confidences, right)
    answered = values >= threshold
    count, hits = int(answered.sum()), int(correct[answered].sum())
    return Answered(
        coverage=count / len(values),
        coverage_ci=proportion_interval(count, len(values), interval),
        accuracy=hits / count if count else None,
        accuracy_ci=proportion_interval(hits, count, interval),
    )


def _checked(
    confidences: npt.ArrayLike, right: npt.ArrayLike
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    values, correct = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise DataError(
            f"confidences - not finite numbers for at least one image - shape {values.shape} - "
            "give one finite number per image"
        )
    if correct.shape != values.shape:
        raise DataError(
            f"right - not one per confidence - shape {correct.shape} for {len(values)} images - "
            f"give shape ({len(values)},)"
        )
    return values, correct
