"""The default changes its way once there are enough labels."""

from dataclasses import replace

import numpy as np

from adapt.explore.suggest.strategies.base import choose
from adapt.explore.suggest.strategies.diverse import diverse
from adapt.explore.suggest.strategies.mix import ENOUGH, mixed
from tests.helpers.pools import random_pool


def test_coverage_first_then_the_other() -> None:
    few, many = random_pool(50, round(4 * ENOUGH) - 1), random_pool(50, round(4 * ENOUGH))
    assert choose(few, 5) == choose(few, 5, "coverage")
    assert choose(many, 5) == choose(many, 5, "margin")
    assert mixed(many, 5, ENOUGH, diverse) == choose(many, 5, "diverse")


def test_without_any_label() -> None:
    pool = random_pool(20, 0)
    assert choose(pool, 3) == choose(replace(pool, targets=np.zeros(0, np.int64)), 3, "coverage")
