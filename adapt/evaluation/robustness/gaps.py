"""Differences of two independent proportions, and what to do where many of them are tested."""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from adapt.common.words import check_choice
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import proportion_ends
from adapt.evaluation.metrics.paired import holm

CORRECTIONS = (BH, HOLM) = ("bh", "holm")
_EQUAL = 1e-7
"""Two probabilities that differ by less, relatively, are the same but for rounding."""
Counts = tuple[int, int]
"""How many of how many images."""


def difference_of_proportions_interval(
    own: Counts, other: Counts, level: float = 0.95
) -> list[float]:
    """The interval of the difference of two proportions on different images.

    Newcombe's hybrid score interval: Wilson's intervals of both, combined. It has a width at 0 and
    at 1, where a normal interval has none.

    Args:
        own: Hits and images of the first.
        other: Those of the second; the difference is the first minus the second.
        level: How often the interval is to cover the true difference.

    Returns:
        ``[low, high]`` from -1 to 1.

    Raises:
        DataError: When there are no images, or more hits than images.

    Paper: Newcombe, Interval estimation for the difference between independent proportions:
    comparison of eleven methods, Statistics in Medicine 17, 1998, method 10.

    >>> [round(end, 4) for end in difference_of_proportions_interval((56, 70), (48, 80))]
    [0.0524, 0.3339]
    """
    hits = np.array([own[0], other[0]], np.float64)
    images = np.array([own[1], other[1]], np.float64)
    low, high = proportion_ends(hits, images, level=level)
    share = hits / images
    below, above = share - low, high - share
    difference = float(share[0] - share[1])
    return [
        difference - float(np.hypot(below[0], above[1])),
        difference + float(np.hypot(above[0], below[1])),
    ]


def fisher_exact(own: Counts, other: Counts) -> float:
    """The p-value of Fisher's exact test, two-sided: are two proportions the same?

    Args:
        own: Hits and images of the first.
        other: Those of the second.

    Returns:
        The probability, given all hits, of tables at most as likely as this one.

    Paper: Fisher, On the interpretation of chi-square from contingency tables, and the calculation
    of P, Journal of the Royal Statistical Society 85, 1922.

    >>> round(fisher_exact((1, 10), (11, 14)), 6), fisher_exact((0, 5), (0, 3))
    (0.002759, 1.0)
    """
    (hits, images), (other_hits, other_images) = own, other
    total = hits + other_hits
    counts = np.arange(max(0, total - other_images), min(total, images) + 1)
    logs = _log_choose(images, counts) + _log_choose(other_images, total - counts)
    chances = np.exp(logs - _log_choose(images + other_images, np.array([total])))
    seen = chances[hits - counts[0]]
    return min(1.0, float(chances[chances <= seen * (1 + _EQUAL)].sum()))


def _log_choose(items: int, chosen: np.ndarray) -> np.ndarray:
    logs: np.ndarray = gammaln(items + 1) - gammaln(chosen + 1) - gammaln(items - chosen + 1)
    return logs


def benjamini_hochberg(values: Sequence[float]) -> list[float]:
    """p-values adjusted so that a fixed share of what is called a difference is none.

    Of all tests whose adjusted value is at most 0.05, 5 % are false on average, if the tests are
    independent or positively dependent.

    Args:
        values: p-values.

    Returns:
        Adjusted ones in the same order, each at least the one given and at most 1.

    Paper: Benjamini and Hochberg, Controlling the false discovery rate, Journal of the Royal
    Statistical Society B 57, 1995.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5])
    [0.04, 0.05333333333333334, 0.05333333333333334, 0.5]
    """
    adjusted, lowest, count = [0.0] * len(values), 1.0, len(values)
    order = sorted(range(count), key=lambda place: values[place], reverse=True)
    for rank, place in zip(range(count, 0, -1), order, strict=True):
        lowest = min(lowest, values[place] * count / rank)
        adjusted[place] = lowest
    return adjusted


def adjusted_for_many(values: Sequence[float], correction: str = BH) -> list[float]:
    """p-values of several tests, adjusted.

    Args:
        values: p-values.
        correction: `bh`, see `benjamini_hochberg`, or `holm`, with which the chance of a single
            false difference is limited, see `adapt.evaluation.metrics.paired.holm`.

    Raises:
        DataError: When the correction is not known.
    """
    if wrong := check_choice("correction", correction, CORRECTIONS):
        raise DataError(wrong[0])
    return holm(values) if correction == HOLM else benjamini_hochberg(values)
