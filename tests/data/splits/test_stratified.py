"""Splits and draws hold their promises for any labels, groups and order."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.data.splits.stratified import (
    sample_fraction,
    sample_shots,
    stratified_folds,
    stratified_split,
)
from adapt.errors import RecipeError

LABELS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=60)
FRACTIONS = st.floats(0, 0.95)
SEEDS = st.integers(0, 1000)


@given(LABELS, FRACTIONS, SEEDS)
@settings(deadline=None)
def test_shares_are_exact_within_one(labels: list[str], fraction: float, seed: int) -> None:
    train, val = stratified_split(labels, fraction, seed)
    assert sorted([*train, *val]) == list(range(len(labels)))
    assert train.dtype == val.dtype == np.int64
    held = Counter(labels[i] for i in val)
    for label, count in Counter(labels).items():
        assert abs(held[label] - count * fraction) < 1 + 1e-9
        assert held[label] < count
    counts = Counter(labels).values()
    if all(count * (1 - fraction) >= 1 and count > 1 for count in counts):
        assert abs(len(val) - len(labels) * fraction) <= 0.5 + 1e-6


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7)), min_size=1), FRACTIONS, SEEDS)
@settings(deadline=None)
def test_no_group_crosses(pairs: list[tuple[str, int]], fraction: float, seed: int) -> None:
    labels, groups = [label for label, _ in pairs], [str(group) for _, group in pairs]
    train, val = stratified_split(labels, fraction, seed, groups)
    assert sorted([*train, *val]) == list(range(len(labels)))
    assert not {groups[i] for i in train} & {groups[i] for i in val}
    assert {labels[i] for i in train} == set(labels)


@given(st.permutations(range(20)), SEEDS, st.booleans())
@settings(deadline=None)
def test_file_order_does_not_matter(order: list[int], seed: int, grouped: bool) -> None:
    labels, keys = [str(i % 3) for i in range(20)], [f"{i}.png" for i in range(20)]
    groups = [str(i // 2) for i in range(20)] if grouped else None

    def chosen(places: Iterable[int]) -> tuple[set[str], set[str]]:
        some = [groups[i] for i in places] if groups else None
        named = [keys[i] for i in places]
        _, val = stratified_split([labels[i] for i in places], 0.3, seed, some, named)
        shots = sample_shots([labels[i] for i in places], 2, seed, named)
        return {named[i] for i in val}, {named[i] for i in shots}

    assert chosen(range(20)) == chosen(order)


@given(LABELS, st.integers(1, 9), SEEDS)
@settings(deadline=None)
def test_shots(labels: list[str], shots: int, seed: int) -> None:
    drawn = sample_shots(labels, shots, seed)
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    found = Counter(labels[i] for i in drawn)
    assert found == {label: min(count, shots) for label, count in Counter(labels).items()}
    assert set(drawn) <= set(sample_shots(labels, shots + 1, seed))


def test_exact_values() -> None:
    labels = ["a"] * 10 + ["b"] * 5 + ["c"]
    train, val = stratified_split(labels, 0.2, seed=0)
    assert Counter(labels[i] for i in val) == {"a": 2, "b": 1}
    assert len(train) == 13
    many = [str(i // 2) for i in range(2000)]
    assert len(stratified_split(many, 0.2, seed=0)[1]) == 400
    assert len(stratified_split(labels, 0, seed=0)[1]) == 0


def test_seeds_differ_and_are_pinned() -> None:
    labels = ["a"] * 100
    splits = [stratified_split(labels, 0.05, seed)[1].tolist() for seed in range(3)]
    assert splits == PINNED_SPLITS
    assert sample_shots(labels, 5, 0).tolist() == PINNED_SHOTS


PINNED_SPLITS = [[4, 16, 20, 71, 87], [11, 34, 43, 70, 95], [10, 31, 53, 64, 93]]
PINNED_SHOTS = [34, 40, 57, 61, 80]


def test_groups_come_near_the_share() -> None:
    labels = ["a", "b"] * 100
    groups = [str(i // 4) for i in range(200)]
    _, val = stratified_split(labels, 0.2, 0, groups)
    assert Counter(labels[i] for i in val) == {"a": 20, "b": 20}
    _, val = stratified_split(["a"] * 6, 0.2, 0, ["x"] * 3 + ["y"] * 3)
    assert len(val) == 3
    train, val = stratified_split(["a"] * 6, 0.5, 0, ["x"] * 6)
    assert (len(train), len(val)) == (6, 0)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2])
def test_arguments(fraction: float) -> None:
    with pytest.raises(RecipeError, match="fraction - out of range"):
        stratified_split(["a"], fraction, 0)
    with pytest.raises(RecipeError, match="groups - wrong length - 2 for 1 labels"):
        stratified_split(["a"], 0.2, 0, ["x", "y"])
    with pytest.raises(RecipeError, match="keys - wrong length - 2 for 1 labels"):
        sample_shots(["a"], 1, 0, ["x", "y"])
    with pytest.raises(RecipeError, match="shots - out of range - 0"):
        sample_shots(["a"], 0, 0)


@given(LABELS, st.integers(2, 6), SEEDS)
@settings(deadline=None)
def test_folds_are_even(labels: list[str], folds: int, seed: int) -> None:
    if len(labels) < folds:
        with pytest.raises(RecipeError, match="folds - out of range"):
            stratified_folds(labels, folds, seed)
        return
    keys = [f"{label}/{i}" for i, label in enumerate(labels)]
    number = stratified_folds(labels, folds, seed, keys=keys)
    sizes = np.bincount(number, minlength=folds)
    assert sizes.sum() == len(labels)
    assert sizes.max() - sizes.min() <= 1
    for label in set(labels):
        own = np.bincount(number[[i for i, x in enumerate(labels) if x == label]], minlength=folds)
        assert own.max() - own.min() <= 1
    turned = stratified_folds(labels[::-1], folds, seed, keys=keys[::-1])
    assert (turned[::-1] == number).all(), "the order of the files plays no part"


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7)), min_size=8), st.integers(0, 9)
)
@settings(deadline=None)
def test_folds_do_not_cut_groups(pairs: list[tuple[str, int]], seed: int) -> None:
    labels, groups = [label for label, _ in pairs], [str(group) for _, group in pairs]
    if len(set(groups)) < 2:
        with pytest.raises(RecipeError, match="for 1 groups"):
            stratified_folds(labels, 2, seed, groups)
        return
    number = stratified_folds(labels, 2, seed, groups)
    assert set(number) == {0, 1}, "no fold is empty"
    for group in set(groups):
        assert len({int(number[i]) for i, x in enumerate(groups) if x == group}) == 1


@given(LABELS, st.floats(0.01, 1), st.floats(0.01, 1), SEEDS)
@settings(deadline=None)
def test_fractions(labels: list[str], one: float, other: float, seed: int) -> None:
    low, high = sorted((one, other))
    small, large = (sample_fraction(labels, share, seed) for share in (low, high))
    assert small.tolist() == sorted(set(small.tolist()))
    assert set(small) <= set(large), "draws are nested"
    found = Counter(labels[i] for i in small)
    for label, count in Counter(labels).items():
        assert found[label] >= 1
        assert found[label] == 1 or abs(found[label] - count * low) <= 0.5 + 1e-9
    assert len(sample_fraction(labels, 1, seed)) == len(labels)
    keys = [f"{i}.png" for i in range(len(labels))]
    names = {keys[i] for i in sample_fraction(labels, low, seed, keys)}
    turned = sample_fraction(labels[::-1], low, seed, keys[::-1])
    assert {keys[::-1][i] for i in turned} == names, "the order of the files plays no part"


def test_a_share_is_what_as_many_shots_would_be() -> None:
    labels = ["a"] * 40 + ["b"] * 40
    assert sample_fraction(labels, 0.1, 3).tolist() == sample_shots(labels, 4, 3).tolist()
    for share in (0, 1.01, -1):
        with pytest.raises(RecipeError, match="fraction - out of range"):
            sample_fraction(labels, share, 0)
