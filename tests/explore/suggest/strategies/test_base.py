"""What every strategy keeps to, and what a pool refuses."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.errors import DataError, RecipeError
from adapt.explore.suggest.strategies.base import STRATEGIES, choose, get_strategy
from tests.helpers.pools import random_pool

NAMES = list(STRATEGIES.table())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(count=st.integers(1, 30), labelled=st.integers(0, 9), budget=st.integers(1, 35),
       classes=st.integers(1, 5), seed=st.integers(0, 3))  # fmt: skip
def test_different_images_as_many_as_asked_for(
    name: str, count: int, labelled: int, budget: int, classes: int, seed: int
) -> None:
    pool = random_pool(count, labelled, classes, seed)
    picks = choose(pool, budget, name)
    rows = [pick.row for pick in picks]
    assert len(rows) == len(set(rows)) == min(budget, count)
    assert set(rows) <= set(range(count))
    assert all(pick.why for pick in picks)
    assert choose(pool, budget, name) == picks


@pytest.mark.parametrize("name", NAMES)
def test_equal_images_and_certain_answers(name: str) -> None:
    """Nothing to tell images apart by: still as many as asked for."""
    pool = random_pool(12, 0)
    features = np.repeat(pool.features[:1], 12, axis=0)
    sure = np.tile(np.eye(4)[1], (12, 1))
    same = replace(pool, features=features, probabilities=sure)
    assert len({pick.row for pick in choose(same, 7, name)}) == 7


def test_the_default_comes_first_and_all_say_what_they_do() -> None:
    assert NAMES[0] == "mix"
    assert {"margin", "entropy", "k_centre", "badge", "typicality", "class_balanced", "random"} < {
        *NAMES
    }
    assert all(len(strategy.sentence) > 20 for strategy in STRATEGIES.table().values())


def test_what_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"--strategy - not known - 'margins'.*did you mean"):
        get_strategy("margins")
    with pytest.raises(RecipeError, match=r"--budget - out of range - 0"):
        choose(random_pool(), 0)
    pool = random_pool()
    with pytest.raises(DataError, match="probabilities do not fit"):
        replace(pool, probabilities=pool.probabilities[:3])
    with pytest.raises(DataError, match="features - not finite"):
        replace(pool, features=np.full_like(pool.features, np.nan))


def test_an_empty_pool() -> None:
    pool = random_pool(3)
    empty = replace(pool, features=pool.features[:0], probabilities=pool.probabilities[:0])
    assert choose(empty, 5) == []
