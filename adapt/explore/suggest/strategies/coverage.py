"""Images that many others are similar to: generalised coverage (arXiv:2407.12212)."""

import numpy as np

from adapt.common.arrays import FloatArray, SingleArray
from adapt.common.words import plural
from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy
from adapt.explore.suggest.strategies.k_centre import nearest_cosines

MOST = 4000
"""Of larger pools so many images, drawn by chance, are compared with each other."""
NEIGHBOUR = 20
"""Similar is what is about as near as this neighbour, on the median."""


@strategy("coverage")
def coverage(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """Each time the image to which most of what is not covered yet is similar (MaxHerding)."""
    picks = covering(pool, budget, np.ones(len(pool)))
    return [Pick(row, _why(count)) for row, count in picks]


def _why(count: float) -> str:
    if count < 0.5:
        return "almost all images like it are covered by labelled ones, or by those above"
    near = plural(round(count), "image")
    return f"similar to about {near} not yet covered by labelled ones, or by those above"


def covering(pool: UnlabelledPool, budget: int, weights: FloatArray) -> list[tuple[int, float]]:
    """Rows that together cover as much weight as a greedy choice can, and what each adds.

    An image covers another by exp(-d^2 / h), with d their distance and h the median of squared
    distances to the 20th neighbour. Labelled images cover from the beginning.

    Args:
        pool: The images.
        budget: How many.
        weights: (N,) what it is worth to cover each image.
    """
    rows = np.arange(len(pool))
    if len(rows) > max(MOST, budget):
        rows = np.sort(pool.generator().choice(len(pool), max(MOST, budget), replace=False))
    features, worth = pool.features[rows], weights[rows]
    squares = np.maximum(2 - 2 * features @ features.T, 0)
    width = bandwidth(squares)
    likeness = np.exp(-squares / width)
    covered = np.zeros(len(rows), np.float32)
    if len(pool.labelled):
        near = nearest_cosines(features, pool.labelled)
        covered = np.exp(-np.maximum(2 - 2 * near, 0) / width)
    picks: list[tuple[int, float]] = []
    taken = np.zeros(len(rows), bool)
    while len(picks) < budget:
        gains = worth @ np.maximum(likeness - covered[:, None], 0)
        row = int(np.where(taken, -1, gains).argmax())
        taken[row] = True
        picks.append((int(rows[row]), float(gains[row])))
        covered = np.maximum(covered, likeness[:, row])
    return picks


def bandwidth(squares: SingleArray) -> float:
    """The median over images of the squared distance to the 20th neighbour.

    Args:
        squares: (N, N) squared distances.

    >>> bandwidth(np.array([[0.0, 2.0], [2.0, 0.0]], np.float32))
    2.0
    """
    place = min(NEIGHBOUR, len(squares) - 1)
    return max(float(np.median(np.partition(squares, place, axis=1)[:, place])), 1e-6)
