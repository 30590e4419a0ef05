"""Images drawn by chance: what the other strategies are measured against."""

from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy


@strategy("random")
def at_random(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """Drawn by chance, all with the same probability."""
    rows = pool.generator().permutation(len(pool))[:budget].tolist()
    return [Pick(row, "drawn by chance") for row in rows]
