"""As many images of each class, as far as the model can tell."""

import numpy as np

from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy


@strategy("class_balanced")
def class_balanced(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """Each time of the class with the fewest labels, the image that is most undecided.

    Images count for the class that the model predicts. Classes that it predicts nowhere are passed
    over.
    """
    return balanced(pool, budget, -pool.margins)


def balanced(pool: UnlabelledPool, budget: int, values: np.ndarray) -> list[Pick]:
    """The best images of each predicted class, those of classes with the fewest labels first.

    Args:
        pool: The images.
        budget: How many.
        values: (N,) what is to be high.
    """
    counts = pool.counts.copy()
    waiting = {}
    for number in range(len(counts)):
        own = np.flatnonzero(pool.predicted == number)
        waiting[number] = own[np.argsort(-values[own], kind="stable")].tolist()[::-1]
    picks: list[Pick] = []
    while len(picks) < budget:
        number = min((k for k, own in waiting.items() if own), key=lambda k: (counts[k], k))
        row = waiting[number].pop()
        name, count = pool.class_names[number], counts[number]
        picks.append(Pick(row, f"{name} has {count} labels; {pool.undecided(row)}"))
        counts[number] += 1
    return picks
