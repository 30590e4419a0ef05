"""The images between two classes."""

import numpy as np

from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy


@strategy("margin")
def margin(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """Where the two most probable classes are nearly equally probable."""
    rows = np.argsort(pool.margins, kind="stable")[:budget].tolist()
    return [Pick(row, pool.undecided(row)) for row in rows]
