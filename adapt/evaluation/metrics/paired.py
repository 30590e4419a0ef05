"""Two classifiers on the same images: who is right where, an exact test and an interval.

What makes an image hard for both says nothing about which is better: only images on which one is
right and the other wrong do.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from adapt.common.arrays import BoolArray
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import WILSON, proportion_ends, proportion_interval


class PairedAnswers(TypedDict):
    """What `paired_answers` returns: A is the model before, B the one after.

    Accuracies and their difference are from 0 to 1 and None on zero images, as are the intervals.
    """

    n: int
    fixed: int
    broken: int
    a: float | None
    a_ci: list[float] | None
    b: float | None
    b_ci: list[float] | None
    difference: float | None
    ci: list[float] | None
    p: float
    p_worse: float


def paired_answers(
    before: npt.ArrayLike, after: npt.ArrayLike, interval: str = WILSON
) -> PairedAnswers:
    """Accuracy of B minus accuracy of A on the same images, tested and with a 95 % interval.

    Args:
        before: Shape (N,), whether A is right.
        after: Shape (N,), whether B is right, same images in the same order.
        interval: Of the two accuracies; see `proportion_interval`.

    Returns:
        `fixed` images (A wrong, B right) and `broken` ones (A right, B wrong); both accuracies;
        their `difference` with the interval of `difference_interval`; `p` of McNemar's exact test
        of no difference, and `p_worse`, one-sided: how likely so many broken ones among the
        flips would be if B were as good as A.

    Raises:
        DataError: When the shapes differ.

    >>> result = paired_answers([1, 1, 0, 0, 1], [1, 1, 1, 1, 0])
    >>> result["fixed"], result["broken"], round(result["difference"], 3), result["p"]
    (2, 1, 0.2, 1.0)
    """
    first, second = _right(before), _right(after)
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"before, after - not paired - shapes {first.shape} and {second.shape} - give one "
            "value per image for both models"
        )
    images, fixed, broken = len(first), int((second & ~first).sum()), int((first & ~second).sum())
    hits = int(first.sum()), int(second.sum())
    return PairedAnswers(
        n=images,
        fixed=fixed,
        broken=broken,
        a=hits[0] / images if images else None,
        a_ci=proportion_interval(hits[0], images, interval),
        b=hits[1] / images if images else None,
        b_ci=proportion_interval(hits[1], images, interval),
        difference=(fixed - broken) / images if images else None,
        ci=difference_interval(hits[0] - broken, fixed, broken, images),
        p=mcnemar(fixed, broken),
        p_worse=float(bdtr(fixed, fixed + broken, 0.5)),
    )


def mcnemar(fixed: int, broken: int) -> float:
    """The exact two-sided p-value of McNemar's test: is a flip as likely to fix as to break?

    Args:
        fixed: Images that only the second model gets right.
        broken: Images that only the first model gets right.

    Returns:
        The binomial probability of counts at least as unequal; 1 without flips.

    Paper: McNemar, Note on the sampling error of the difference between correlated proportions,
    Psychometrika 12, 1947; exact as a binomial test with p = 1/2.

    >>> mcnemar(0, 5), mcnemar(3, 3), mcnemar(0, 0)
    (0.0625, 1.0, 1.0)
    """
    return min(1.0, 2 * float(bdtr(min(fixed, broken), fixed + broken, 0.5)))


def difference_interval(both: int, fixed: int, broken: int, images: int) -> list[float] | None:
    """The 95 % interval of the difference of two accuracies on the same images.

    Newcombe's hybrid score interval for paired proportions: Wilson's intervals of both, combined
    with the correlation of the answers. Unlike the bootstrap it has a width where the two
    models differ on no image.

    Args:
        both: Images that both models get right.
        fixed: Those that only the second gets right.
        broken: Those that only the first gets right.
        images: All.

    Returns:
        ``[low, high]`` from -1 to 1, positive where the second is better; None without images.

    Paper: Newcombe, Improved confidence intervals for the difference between binomial proportions
    based on paired data, Statistics in Medicine 17, 1998, method 10.

    >>> [round(end, 4) for end in difference_interval(36, 12, 2, 50)]
    [0.0569, 0.3404]
    """
    if not images:
        return None
    hits = np.array([both + broken, both + fixed], np.float64)
    low, high = proportion_ends(hits, np.full(2, images))
    share = hits / images
    below, above = share - low, high - share
    linked = _correlation(both, fixed, broken, images)
    difference = (fixed - broken) / images

    def reach(own: float, other: float) -> float:
        return float(np.sqrt(max(own**2 - 2 * linked * own * other + other**2, 0.0)))

    return [
        difference - reach(float(below[1]), float(above[0])),
        difference + reach(float(above[1]), float(below[0])),
    ]


def holm(values: Sequence[float]) -> list[float]:
    """p-values that may be read one by one although several were tested (Holm 1979).

    The chance that any of them is below 0.05 by luck alone is at most 5 %.

    Args:
        values: p-values.

    Returns:
        Adjusted ones in the same order, each at least the one given and at most 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda place: values[place])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def _correlation(both: int, fixed: int, broken: int, images: int) -> float:
    """Newcombe's phi, with his correction towards 0 where it is positive."""
    neither = images - both - fixed - broken
    edges = (both + broken) * (fixed + neither) * (both + fixed) * (broken + neither)
    if not edges:
        return 0.0
    excess = float(both * neither - fixed * broken)
    return float((max(excess - images / 2, 0.0) if excess > 0 else excess) / np.sqrt(float(edges)))


def _right(values: npt.ArrayLike) -> BoolArray:
    return np.asarray(values, dtype=np.bool_)
