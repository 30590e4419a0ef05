"""The default: cover the pool first, then what the model cannot decide."""

from adapt.explore.suggest.strategies.base import MIX, Choose, Pick, UnlabelledPool, strategy
from adapt.explore.suggest.strategies.coverage import coverage
from adapt.explore.suggest.strategies.margin import margin

ENOUGH = 4.0
"""Labels per class from which on the answers of the model are worth more than coverage."""
THEN: Choose = margin
"""What is used from then on."""


@strategy(MIX)
def mix(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """With few labels the images that cover most of the pool, then the undecided ones."""
    return mixed(pool, budget, ENOUGH, THEN)


def mixed(pool: UnlabelledPool, budget: int, enough: float, then: Choose) -> list[Pick]:
    """One strategy while there are few labels, and another one afterwards.

    Args:
        pool: The images.
        budget: How many.
        enough: Labels per class from which on the second is used.
        then: The second strategy; the first is `coverage`.
    """
    cold = len(pool.targets) < enough * len(pool.class_names)
    return (coverage if cold else then)(pool, budget)
