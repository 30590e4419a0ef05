"""Intervals of 95 % for proportions, and for what is computed from several of them.

Which interval is used where, why, and how often each one covers the truth is in
`docs/benchmarks/intervals.md`. Every interval here contains its own estimate, also at 0 and at 1.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri, stdtrit

from adapt.common.arrays import FloatArray
from adapt.common.words import check_choice
from adapt.errors import DataError

INTERVALS = (WILSON, CLOPPER_PEARSON) = ("wilson", "clopper_pearson")
Ends = tuple[FloatArray, FloatArray]
FEWEST_FOR_A_MEAN = 100
"""Images below which a mean of losses gets no interval: it would cover the truth too seldom."""


def proportion_interval(
    hits: float, images: float, interval: str = WILSON, level: float = 0.95
) -> list[float] | None:
    """The interval of one proportion.

    Args:
        hits: How many of the images count, from 0 to `images`.
        images: How many there are; a fraction where it is an effective number.
        interval: `wilson` (Wilson 1927) or `clopper_pearson` (Clopper and Pearson 1934), which
            never covers less than the level and is wider for it.
        level: How often the interval is to cover the true proportion.

    Returns:
        ``[low, high]`` from 0 to 1, around ``hits / images``; None without images.

    Raises:
        DataError: When a number is out of range or the interval is not known.

    >>> [round(end, 3) for end in proportion_interval(3, 3)]
    [0.439, 1.0]
    >>> [round(end, 3) for end in proportion_interval(3, 3, "clopper_pearson")]
    [0.292, 1.0]
    """
    if not images:
        return None
    low, high = proportion_ends([hits], [images], interval, level)
    return [float(low[0]), float(high[0])]


def proportion_ends(
    hits: npt.ArrayLike, images: npt.ArrayLike, interval: str = WILSON, level: float = 0.95
) -> Ends:
    """The ends of many intervals at once; see `proportion_interval`.

    Args:
        hits: Of any shape.
        images: Of the same shape, above 0.
        interval: `wilson` or `clopper_pearson`.
        level: Between 0 and 1.

    Raises:
        DataError: When a number is out of range or the interval is not known.

    >>> [end.round(3).tolist() for end in proportion_ends([0, 5], [10, 10])]
    [[0.0, 0.237], [0.278, 0.763]]
    """
    wrong = check_choice("interval", interval, INTERVALS)
    if wrong:
        raise DataError(wrong[0])
    counted, total = (np.asarray(values, dtype=np.float64) for values in (hits, images))
    if not (np.all(total > 0) and np.all(counted >= 0) and np.all(counted <= total)):
        raise DataError(
            f"hits - not between 0 and the images - {counted.tolist()} of {total.tolist()} - count "
            "the images that are right, of at least one"
        )
    if not 0 < level < 1:
        raise DataError(f"level - not between 0 and 1 - {level} - give 0.95 for a 95 % interval")
    low, high = _ENDS[interval](counted, total, (1 - level) / 2)
    share = counted / total  # rounding must not put an end on the wrong side of the estimate
    return np.minimum(np.maximum(low, 0), share), np.maximum(np.minimum(high, 1), share)


def _wilson(hits: FloatArray, images: FloatArray, tail: float) -> Ends:
    z = float(ndtri(1 - tail))
    share, scale = hits / images, 1 + z**2 / images
    middle = (share + z**2 / (2 * images)) / scale
    reach = z * np.sqrt(share * (1 - share) / images + z**2 / (4 * images**2)) / scale
    return middle - reach, middle + reach


def _clopper_pearson(hits: FloatArray, images: FloatArray, tail: float) -> Ends:
    missed = images - hits
    low = betaincinv(np.maximum(hits, 1e-9), missed + 1, tail)
    high = betaincinv(hits + 1, np.maximum(missed, 1e-9), 1 - tail)
    return np.where(hits > 0, low, 0.0), np.where(missed > 0, high, 1.0)


_ENDS: dict[str, Callable[[FloatArray, FloatArray, float], Ends]] = dict(
    zip(INTERVALS, (_wilson, _clopper_pearson), strict=True)
)


def mean_of_proportions_interval(
    hits: npt.ArrayLike, images: npt.ArrayLike, interval: str = WILSON
) -> list[float]:
    """The interval of the mean of independent proportions, such as the recalls of the classes.

    The mean is treated as one proportion of an effective number of images: as many as would give
    its variance. For that variance every proportion is drawn towards the mean by two images, so
    that a class with three of three right is not taken for certain, and it is at least what equal
    proportions would give.

    Args:
        hits: Shape (K,), K at least 1.
        images: Shape (K,), each at least 1.
        interval: `wilson` or `clopper_pearson`.

    Raises:
        DataError: When a number is out of range or the interval is not known.

    >>> [round(end, 3) for end in mean_of_proportions_interval([9, 1], [10, 2])]
    [0.339, 0.914]
    """
    counted, total = (np.asarray(values, dtype=np.float64) for values in (hits, images))
    shares = counted / total
    mean, everything = float(shares.mean()), total.sum()
    middle = (mean * everything + 1) / (everything + 2)
    drawn = (counted + 2 * middle) / (total + 2)
    apart, equal = (
        float((p * (1 - p) / total).sum()) for p in (drawn, np.full(len(total), middle))
    )
    variance = max(apart, equal) / len(shares) ** 2
    effective = min(middle * (1 - middle) / variance, float(everything))
    ends = proportion_interval(mean * effective, effective, interval)
    assert ends is not None
    return ends


def mean_interval(values: npt.ArrayLike) -> list[float] | None:
    """The interval of a mean of numbers: Student's t, corrected for skewness (Hall 1992).

    Args:
        values: Shape (N,).

    Returns:
        ``[low, high]``; None with fewer than 100 values, or where one is not finite: the losses of
        a good model are so skewed that fewer of them tell too little about their mean.

    >>> mean_interval([0.1, 0.2]) is None
    True
    """
    numbers = np.asarray(values, dtype=np.float64)
    count = len(numbers)
    if count < FEWEST_FOR_A_MEAN or not np.isfinite(numbers).all():
        return None
    mean, spread = float(numbers.mean()), float(numbers.std(ddof=1))
    if spread <= 1e-12 * abs(mean):
        return [mean, mean]
    skew = float((((numbers - mean) / spread) ** 3).mean()) / np.sqrt(count)
    reach = float(stdtrit(count - 1, 0.975))
    moved = [_without_skew(end, skew) * spread / np.sqrt(count) for end in (reach, -reach)]
    return [min(mean, mean - moved[0]), max(mean, mean - moved[1])]


def _without_skew(end: float, skew: float) -> float:
    """Where the studentised mean lies when Hall's cubic transformation of it lies at `end`."""
    if abs(skew) < 1e-6:
        return end
    return float(3 * (np.cbrt(1 + skew * (end - skew / 6)) - 1) / skew)
