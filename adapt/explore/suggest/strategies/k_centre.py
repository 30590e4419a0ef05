"""The core set of greedy k-centre (arXiv:1708.00489)."""

import numpy as np

from adapt.common.arrays import SingleArray
from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy


@strategy("k_centre")
def k_centre(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """Each time the image farthest from all that are labelled or chosen.

    Where nothing is labelled, the first is the one nearest to the mean of the pool. The greedy
    choice covers the pool with balls of at most twice the smallest possible radius.
    """
    nearest = nearest_cosines(pool.features, pool.labelled)
    picks: list[Pick] = []
    taken = np.zeros(len(pool), bool)
    while len(picks) < budget:
        if len(pool.labelled) + len(picks) == 0:
            row = int((pool.features @ pool.features.mean(0)).argmax())
            why = "nearest to the mean of the pool"
        else:
            row = int(np.where(taken, np.inf, nearest).argmin())
            why = f"unlike all that is labelled or above: cosine at most {nearest[row]:.2f}"
        picks.append(Pick(row, why))
        taken[row] = True
        nearest = np.maximum(nearest, pool.features @ pool.features[row])
    return picks


def nearest_cosines(features: SingleArray, others: SingleArray, rows: int = 4096) -> SingleArray:
    """Cosine to the most similar of other features, (N,); -1 where there are no others.

    Args:
        features: (N, D), unit length.
        others: (L, D), unit length.
        rows: How many are compared at once.

    >>> nearest_cosines(np.eye(2, dtype=np.float32), np.array([[0, 1]], np.float32)).tolist()
    [0.0, 1.0]
    """
    nearest = np.full(len(features), -1, np.float32)
    for start in range(0, len(others), rows):
        block = others[start : start + rows]
        for own in range(0, len(features), rows):
            part = slice(own, own + rows)
            likeness = (features[part] @ block.T).max(1)
            nearest[part] = np.maximum(nearest[part], likeness)
    return nearest
