"""The margin, against sorted probabilities."""

import numpy as np

from adapt.explore.suggest.strategies.base import choose
from tests.helpers.pools import random_pool


def test_smallest_differences_first() -> None:
    pool = random_pool(30)
    best = np.sort(pool.probabilities, axis=1)
    wanted = np.argsort(best[:, -1] - best[:, -2])[:5].tolist()
    picks = choose(pool, 5, "margin")
    assert [pick.row for pick in picks] == wanted
    first = pool.class_names[int(pool.probabilities[wanted[0]].argmax())]
    assert picks[0].why.startswith(f"{first} 0.")
    assert " against class " in picks[0].why
