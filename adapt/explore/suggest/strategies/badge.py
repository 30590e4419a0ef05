"""Diverse gradients of the head (arXiv:1906.03671)."""

import numpy as np

from adapt.common.arrays import FloatArray, SingleArray
from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy


@strategy("badge")
def badge(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """Images whose gradients of the head are long and differ from each other (BADGE).

    The gradient of the loss on the predicted class by the weights of a linear head is the product
    of two vectors: probabilities minus the predicted class, and the feature. The first image has
    the longest gradient, the others are drawn as centres of k-means++.
    """
    errors = pool.probabilities.copy()
    errors[np.arange(len(pool)), pool.predicted] -= 1
    rows = spread(errors, pool.features, budget, pool.generator())
    return [Pick(row, f"another gradient than those above; {pool.undecided(row)}") for row in rows]


def spread(
    errors: FloatArray, features: SingleArray, count: int, generator: np.random.Generator
) -> list[int]:
    """Centres of k-means++ among the products of two vectors, none of which is ever formed.

    The squared distance of two products is |e|^2 |x|^2 + |f|^2 |y|^2 - 2 (e f) (x y), so that a
    centre costs N (K + D) steps in place of N K D.

    Args:
        errors: (N, K).
        features: (N, D).
        count: How many, at most N.
        generator: Of one random number for each centre but the first.

    Returns:
        Different rows.
    """
    wide = features.astype(np.float64)
    lengths = (errors**2).sum(1) * (wide**2).sum(1)
    rows = [int(lengths.argmax())]
    nearest = np.full(len(errors), np.inf)
    while len(rows) < count:
        last = rows[-1]
        products = (errors @ errors[last]) * (wide @ wide[last])
        nearest = np.minimum(nearest, np.maximum(lengths + lengths[last] - 2 * products, 0))
        nearest[rows] = 0
        rows.append(_drawn(nearest, rows, generator.random()))
    return rows


def _drawn(weights: FloatArray, taken: list[int], random: float) -> int:
    """A row in proportion to its weight; where none has any, the first that is not taken."""
    sums = weights.cumsum()
    if sums[-1] <= 0:
        return int(np.setdiff1d(np.arange(len(weights)), taken)[0])
    row = int(np.searchsorted(sums, random * sums[-1], side="right"))
    return min(row, int(np.flatnonzero(weights)[-1]))
