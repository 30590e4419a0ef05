"""Folds that can be scored although groups and rare classes stand in the way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.data.splits.groups import scored_folds
from adapt.data.splits.stratified import stratified_folds
from adapt.errors import RecipeError
from tests.data.splits.test_stratified import SEEDS

UNITS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), min_size=1, max_size=60)


@given(UNITS, st.booleans(), st.integers(2, 4), SEEDS)
@settings(deadline=None)
def test_every_fold_can_be_judged(
    pairs: list[tuple[str, int]], grouped: bool, folds: int, seed: int
) -> None:
    labels = [label for label, _ in pairs]
    groups = [str(group) for _, group in pairs] if grouped else None
    units = groups or [str(i) for i in range(len(labels))]
    alone = {
        label
        for label in labels
        if len({unit for unit, x in zip(units, labels, strict=True) if x == label}) == 1
    }
    homes = {unit for unit, label in zip(units, labels, strict=True) if label in alone}
    try:
        number, classes = scored_folds(labels, folds, seed, groups)
    except RecipeError:
        assert grouped or len(set(units) - homes) < folds
        return
    assert alone <= set(classes)
    for fold in range(folds):
        assert (number == fold).any(), "no fold is empty"
        rest = {label for label, x in zip(labels, number, strict=True) if x != fold}
        assert rest == set(labels), "each fold can learn every class"
    for unit in set(units):
        assert len({int(number[i]) for i, x in enumerate(units) if x == unit}) == 1
    if not grouped:
        kept = [label for label, x in zip(labels, number, strict=True) if x == -1]
        assert sorted(kept) == classes == sorted(alone)
        sizes = np.bincount(number[number >= 0], minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_folds_with_classes_of_one() -> None:
    number, classes = scored_folds(list("aabbcd"), 2, seed=0)
    assert (number[4:].tolist(), classes) == ([-1, -1], ["c", "d"])
    number, classes = scored_folds(list("aaab"), 2, 0, groups=["x", "y", "z", "x"])
    assert (number[0], number[3], classes) == (-1, -1, ["b"])
    assert sorted(number[1:3].tolist()) == [0, 1]
    with pytest.raises(RecipeError) as caught:
        scored_folds(list("abc"), 2, seed=0)
    assert str(caught.value) == (
        "folds - out of range - 2 for 0 images (without 3 that hold a whole class) - add images, "
        "or hold out a fraction of them"
    )


def test_groups_that_meet_in_one_fold_are_released() -> None:
    """Group t goes where fewest of its a are: to the fold with the only other b."""
    labels = list("a" * 10 + "x" + "b" + "x" * 5 + "b" + "a" * 3)
    groups = ["big"] * 11 + ["s"] * 6 + ["t"] * 4
    assert set(stratified_folds(labels, 2, 0, groups)[11:]) == {1}
    number, classes = scored_folds(labels, 2, 0, groups)
    assert number.tolist() == [0] * 11 + [1] * 6 + [-1] * 4
    assert classes == ["b"]
