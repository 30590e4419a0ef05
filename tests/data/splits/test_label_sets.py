"""Iterative stratification: fractions of every label, units whole, nothing left to chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.data.splits.label_sets import iterative_folds, iterative_split
from adapt.errors import RecipeError

SETS = st.lists(
    st.sets(st.sampled_from("abcde")).map(lambda own: tuple(sorted(own))), min_size=8, max_size=60
)


def random_sets(count: int, seed: int = 0) -> list[tuple[str, ...]]:
    random = np.random.default_rng(seed)
    often = np.linspace(0.1, 0.5, 6)
    return [
        tuple("abcdef"[k] for k in np.flatnonzero(random.random(6) < often)) for _ in range(count)
    ]


def test_each_label_is_split_in_proportion() -> None:
    sets = random_sets(400)
    train, held = iterative_split(sets, 0.25, 0, [str(n) for n in range(400)])
    assert abs(len(held) - 100) <= 2
    for label in "abcdef":
        count = sum(label in own for own in sets)
        inside = sum(label in sets[row] for row in held)
        assert abs(inside - 0.25 * count) <= 2, label
    assert sorted([*train, *held]) == list(range(400))


@settings(max_examples=40, deadline=None)
@given(SETS, st.integers(0, 3))
def test_train_has_every_label_and_order_does_not_matter(
    sets: list[tuple[str, ...]], seed: int
) -> None:
    keys = [f"k{n}" for n in range(len(sets))]
    train, held = iterative_split(sets, 0.3, seed, keys)
    assert {x for row in train for x in sets[row]} == {x for own in sets for x in own}
    turned = iterative_split(sets[::-1], 0.3, seed, keys[::-1])[1]
    assert {keys[row] for row in held} == {keys[::-1][row] for row in turned}


def test_units_stay_whole() -> None:
    sets, units = random_sets(90), [f"u{n // 3}" for n in range(90)]
    held = set(iterative_split(sets, 0.3, 1, units)[1].tolist())
    assert all(len({n in held for n in range(3 * u, 3 * u + 3)}) == 1 for u in range(30))
    number, _ = iterative_folds(sets, 3, 1, units)
    assert all(len(set(number[3 * u : 3 * u + 3])) == 1 for u in range(30))


def test_folds_are_even_and_a_label_of_one_image_is_in_none() -> None:
    sets = [*random_sets(120), ("rare",)]
    number, needed = iterative_folds(sets, 4, 0, [str(n) for n in range(121)])
    assert needed == ["rare"]
    assert number[-1] == -1
    for label in "abcdef":
        per_fold = [sum(label in sets[r] for r in np.flatnonzero(number == f)) for f in range(4)]
        assert max(per_fold) - min(per_fold) <= 3, label
    with pytest.raises(RecipeError, match="folds - out of range"):
        iterative_folds(sets[:3], 9, 0, list("123"))
    with pytest.raises(RecipeError, match="fraction - out of range"):
        iterative_split(sets, 1.0, 0, [str(n) for n in range(121)])
