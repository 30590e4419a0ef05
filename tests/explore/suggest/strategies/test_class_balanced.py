"""Balance over predicted classes."""

from dataclasses import replace

import numpy as np

from adapt.explore.suggest.strategies.base import choose
from tests.helpers.pools import random_pool


def test_classes_with_few_labels_come_first() -> None:
    pool = random_pool(60, 6)
    pool = replace(pool, targets=np.array([0, 0, 0, 1, 1, 2]))
    picks = choose(pool, 10, "class_balanced")
    counts = np.array([3, 2, 1, 0])
    for pick in picks:
        predicted = int(pool.probabilities[pick.row].argmax())
        assert counts[predicted] == counts.min()
        counts[predicted] += 1
    assert picks[0].why.startswith("class 3 has 0 labels; class 3 0.")


def test_of_a_class_the_most_undecided_is_taken() -> None:
    pool = random_pool(30, 0)
    pick = choose(pool, 1, "class_balanced")[0]
    own = np.flatnonzero(pool.predicted == 0)
    assert pick.row == own[pool.margins[own].argmin()]
