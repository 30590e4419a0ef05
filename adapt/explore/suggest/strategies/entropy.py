"""The images about which a model knows least."""

import numpy as np
from scipy.special import entr

from adapt.common.arrays import FloatArray
from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy


@strategy("entropy")
def entropy(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """Where the answer has the highest entropy over all classes."""
    bits = entropies(pool.probabilities)
    rows = np.argsort(-bits, kind="stable")[:budget].tolist()
    return [Pick(row, f"as if {2 ** bits[row]:.1f} classes were equally probable") for row in rows]


def entropies(probabilities: FloatArray) -> FloatArray:
    """Entropy of each row in bits, (N,).

    Args:
        probabilities: Shape (N, K).

    >>> entropies(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    return np.asarray(entr(probabilities).sum(1) / np.log(2))
