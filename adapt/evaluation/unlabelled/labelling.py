"""How many images to label, and which, to know an accuracy to within a given distance."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import proportion_interval

STRATA = 5
FEWEST = 2
"""Images that are labelled of each stratum: their spread has to be seen."""
LEAST, MOST = 0.05, 0.95
"""Expected accuracies of a stratum are drawn to these: an expectation can be wrong."""


def sample_size(accuracy: float, half_width: float, images: int, level: float = 0.95) -> int:
    """How many images drawn at random are to be labelled for an interval of +- `half_width`.

    Args:
        accuracy: As expected, 0 to 1; 0.5 is the safe guess.
        half_width: Above 0, below 0.5.
        images: How many there are; a large part of them tells more (finite population).
        level: Of the interval.

    Raises:
        DataError: When a number is out of range.

    >>> sample_size(0.5, 0.05, images=1_000_000), sample_size(0.5, 0.05, images=500)
    (384, 218)
    """
    _check_width(half_width, level)
    if not 0 <= accuracy <= 1 or images < 1:
        raise DataError(
            f"accuracy - out of range - {accuracy} of {images} images - give 0 to 1, of 1 or more"
        )
    z = float(ndtri((1 + level) / 2))
    spread = max(accuracy * (1 - accuracy), LEAST * MOST)
    drawn = z**2 * spread / half_width**2
    return min(images, math.ceil(drawn / (1 + (drawn - 1) / images)))


def strata_of(confidences: npt.ArrayLike, strata: int = STRATA) -> IntArray:
    """Images in groups of about equal size from the least to the most confident.

    Args:
        confidences: Shape (N,), N at least 1.
        strata: Number of groups, at least 1; fewer where there are fewer images.

    Returns:
        The group of each image, shape (N,), 0 for the least confident.

    Raises:
        DataError: When they are not finite numbers.

    >>> strata_of([0.9, 0.1, 0.5, 0.6], strata=2).tolist()
    [1, 0, 0, 1]
    """
    values = np.asarray(confidences, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all() or strata < 1:
        raise DataError(
            f"confidences - not finite numbers - shape {values.shape}, {strata} strata - give one "
            "per image, and a stratum or more"
        )
    groups = min(strata, len(values))
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks * groups // len(values)


def allocate(
    sizes: npt.ArrayLike, accuracies: npt.ArrayLike, half_width: float, level: float = 0.95
) -> IntArray:
    """How many images of each stratum are to be labelled (Neyman's allocation).

    More are taken where answers are less certain: as many in all as give the accuracy an interval
    of +- `half_width`, if the strata are as accurate as expected.

    Args:
        sizes: Images of each stratum, shape (S,), each at least 1.
        accuracies: As expected in each, shape (S,); drawn to 5 to 95 %.
        half_width: Above 0, below 0.5.
        level: Of the interval.

    Returns:
        Shape (S,), at least 2 of each stratum and at most all.

    Raises:
        DataError: When a number is out of range.

    Paper: Neyman, On the Two Different Aspects of the Representative Method, JRSS 97 (1934).

    >>> allocate([500, 500], [0.5, 0.95], half_width=0.05).tolist()
    [113, 49]
    """
    _check_width(half_width, level)
    counts, expected = _counts(sizes), np.asarray(accuracies, dtype=np.float64)
    if expected.shape != counts.shape or not ((expected >= 0) & (expected <= 1)).all():
        raise DataError(
            f"accuracies - not one per stratum - shape {expected.shape} for {len(counts)} strata - "
            "give numbers from 0 to 1"
        )
    drawn = np.clip(expected, LEAST, MOST)
    spreads, images = np.sqrt(drawn * (1 - drawn)), counts.sum()
    shares = counts / images
    variance = (half_width / float(ndtri((1 + level) / 2))) ** 2
    within = shares * spreads
    total = within.sum() ** 2 / (variance + (shares * spreads**2).sum() / images)
    wanted = np.ceil(total * within / within.sum()).astype(np.int64)
    taken: IntArray = np.minimum(counts, np.maximum(wanted, FEWEST)).astype(np.int64)
    return taken


def stratified_accuracy(
    right: npt.ArrayLike, strata: npt.ArrayLike, sizes: npt.ArrayLike
) -> tuple[float, list[float]]:
    """The accuracy on all images from labels of some, and its 95 % interval.

    The interval is Wilson's for as many images as would give the variance, as for means of
    proportions (`adapt.evaluation.metrics.intervals`).

    Args:
        right: Which of the labelled images are answered correctly, shape (n,).
        strata: The stratum of each, shape (n,), from 0.
        sizes: Images of each stratum, labelled or not, shape (S,).

    Raises:
        DataError: When a stratum has no labelled image, or the arrays are malformed.

    >>> accuracy, ends = stratified_accuracy([1, 0, 1, 1], [0, 0, 1, 1], [30, 10])
    >>> accuracy, [round(end, 2) for end in ends]
    (0.625, [0.2, 0.92])
    """
    counts, correct, groups = _counts(sizes), np.asarray(right), np.asarray(strata)
    if correct.ndim != 1 or groups.shape != correct.shape:
        raise DataError(
            f"strata - not one per labelled image - {groups.shape} for {correct.shape} - give one"
        )
    labelled = np.bincount(groups.astype(np.int64), minlength=len(counts))
    if len(labelled) != len(counts) or not labelled.all():
        raise DataError(
            f"right - a stratum has no labelled image - {labelled.tolist()} - label one or more of "
            "each"
        )
    hits = np.bincount(groups.astype(np.int64), correct.astype(np.float64), len(counts))
    shares = counts / counts.sum()
    accuracy = float(shares @ (hits / labelled))
    drawn = (hits + 1) / (labelled + 2)
    left = 1 - labelled / counts
    variance = float((shares**2 * drawn * (1 - drawn) / labelled * left).sum())
    middle = float(np.clip(accuracy, LEAST, MOST))
    effective = middle * (1 - middle) / variance if variance > 0 else math.inf
    if not math.isfinite(effective):
        return accuracy, [accuracy, accuracy]
    ends = proportion_interval(accuracy * effective, effective)
    assert ends is not None
    return accuracy, ends


def _counts(sizes: npt.ArrayLike) -> FloatArray | IntArray:
    counts = np.asarray(sizes)
    if counts.ndim != 1 or not counts.size or not (counts >= 1).all():
        raise DataError(
            f"sizes - not the images of each stratum - {counts.tolist()} - give 1 or more of each"
        )
    return counts.astype(np.int64)


def _check_width(half_width: float, level: float) -> None:
    if not (0 < half_width < 0.5 and 0 < level < 1):
        raise DataError(
            f"half_width - out of range - {half_width} at level {level} - give a number above 0 "
            "and below 0.5, such as 0.03"
        )
