"""Chance: every image equally often."""

from dataclasses import replace

import numpy as np

from adapt.explore.suggest.strategies.base import choose
from tests.helpers.pools import random_pool


def test_every_image_has_the_same_chance() -> None:
    pool, counts = random_pool(10), np.zeros(10)
    for seed in range(600):
        for pick in choose(replace(pool, seed=seed), 3, "random"):
            counts[pick.row] += 1
    # 180 on average, standard deviation 11.
    assert np.abs(counts - 180).max() < 45
