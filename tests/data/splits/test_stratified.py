"""Splits and draws hold their promises for any labels, groups and order."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.data.splits.dates import cut_by_date, in_order, read_moment
from adapt.data.splits.groups import judged_folds, own_groups
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
        number, classes = judged_folds(labels, folds, seed, groups)
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
    number, classes = judged_folds(list("aabbcd"), 2, seed=0)
    assert (number[4:].tolist(), classes) == ([-1, -1], ["c", "d"])
    number, classes = judged_folds(list("aaab"), 2, 0, groups=["x", "y", "z", "x"])
    assert (number[0], number[3], classes) == (-1, -1, ["b"])
    assert sorted(number[1:3].tolist()) == [0, 1]
    with pytest.raises(RecipeError) as caught:
        judged_folds(list("abc"), 2, seed=0)
    assert str(caught.value) == (
        "folds - out of range - 2 for 0 images (without 3 that hold a whole class) - add images, "
        "or hold out a share of them"
    )


def test_groups_that_meet_in_one_fold_are_released() -> None:
    """Group t goes where fewest of its a are: to the fold with the only other b."""
    labels = list("a" * 10 + "x" + "b" + "x" * 5 + "b" + "a" * 3)
    groups = ["big"] * 11 + ["s"] * 6 + ["t"] * 4
    assert set(stratified_folds(labels, 2, 0, groups)[11:]) == {1}
    number, classes = judged_folds(labels, 2, 0, groups)
    assert number.tolist() == [0] * 11 + [1] * 6 + [-1] * 4
    assert classes == ["b"]


DAYS = st.integers(0, 12).map(lambda days: (date(2024, 2, 25) + timedelta(days)).isoformat())
DATED = st.lists(st.tuples(st.sampled_from("abc"), DAYS, st.integers(0, 5)), min_size=1)


@given(DATED, st.floats(0.01, 0.99), st.booleans())
@settings(deadline=None)
def test_a_date_cut_is_a_cut(
    rows: list[tuple[str, str, int]], fraction: float, grouped: bool
) -> None:
    labels, dates = [row[0] for row in rows], [row[1] for row in rows]
    groups = [str(row[2]) for row in rows] if grouped else None
    cut = cut_by_date(dates, labels, fraction, groups)
    assert sorted([*cut.train, *cut.val]) == list(range(len(rows)))
    when = list(dates)
    if groups:
        when = [max(d for d, g in zip(dates, groups, strict=True) if g == own) for own in groups]
        assert not {groups[i] for i in cut.train} & {groups[i] for i in cut.val}
    if len(set(when)) == 1:
        assert len(cut.val) == 0
        return
    assert {labels[i] for i in cut.train} == set(labels), "every class can be learned"
    assert all(when[i] >= cut.first for i in cut.val)
    early = {labels[i] for i in range(len(rows)) if when[i] < cut.first}
    assert cut.late == sorted(set(labels) - early)
    if not cut.late:
        assert all(when[i] < cut.first for i in cut.train)
    wanted, count = fraction * len(rows), sum(day >= cut.first for day in when)
    others = [sum(day >= step for day in when) for step in sorted(set(when))[1:]]
    assert abs(count - wanted) == min(abs(other - wanted) for other in others)
    turned = cut_by_date(dates[::-1], labels[::-1], fraction, groups[::-1] if groups else None)
    last = len(rows) - 1
    assert sorted(last - i for i in turned.val) == cut.val.tolist(), "order plays no part"


def test_a_class_that_came_late_goes_to_train() -> None:
    dates = ["2024-01-01"] * 8 + ["2024-01-02"] * 4
    cut = cut_by_date(dates, ["a"] * 9 + ["b"] * 2 + ["a"], 0.3)
    assert (cut.val.tolist(), cut.late, cut.first) == ([8, 11], ["b"], "2024-01-02")
    groups = [str(i) for i in range(9)] + ["9", "10", "10"]
    grouped = cut_by_date(dates, ["a"] * 9 + ["b"] * 2 + ["a"], 0.3, groups)
    assert grouped.val.tolist() == [8]
    with pytest.raises(RecipeError, match="dates - wrong length - 1 dates and 2 groups for 2"):
        cut_by_date(["2024-01-01"], ["a", "b"], 0.5)
    with pytest.raises(RecipeError, match=r"fraction - out of range - 1\.0"):
        cut_by_date(["2024-01-01"], ["a"], 1.0)


STAMPS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(STAMPS, st.one_of(st.none(), ZONES), st.sampled_from("T "))
@settings(deadline=None)
def test_timestamps_are_read_as_python_does(
    stamp: datetime, zone: timezone | None, between: str
) -> None:
    stamp = stamp.replace(tzinfo=zone)
    moment = read_moment(stamp.isoformat(between))
    assert moment is not None
    assert moment.instant == stamp
    assert moment.day == stamp.date()
    day = read_moment(stamp.date().isoformat())
    assert day is not None
    assert (day.day, day.instant) == (stamp.date(), None)


@given(st.lists(st.tuples(STAMPS, ZONES), min_size=1, max_size=20))
@settings(deadline=None)
def test_instants_sort_in_any_zone(stamps: list[tuple[datetime, timezone]]) -> None:
    aware = [stamp.replace(tzinfo=zone) for stamp, zone in stamps]
    texts, odd = in_order([read_moment(stamp.isoformat()) for stamp in aware])  # type: ignore[misc]
    assert odd is None
    by_text = sorted(range(len(aware)), key=lambda i: texts[i])
    assert [aware[i] for i in by_text] == sorted(aware)


@pytest.mark.parametrize(
    "text",
    ["", "2024", "2024-1-1", "31.12.2024", "2024-02-30", "2024-01-01T25:00", "1704067200",
     "2024:01:31 10:00:00", "0001-01-01T00:00+10:00", "2024-01-01T10", "yesterday"],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    assert read_moment(text) is None


def test_days_and_times_together() -> None:
    texts = ["2024-05-31", "2024-05-31T23:59Z", "2024-06-01 08:00"]
    moments = [moment for text in texts if (moment := read_moment(text))]
    assert in_order(moments) == (["2024-05-31", "2024-05-31", "2024-06-01"], None)
    assert in_order(moments[1:]) == ([], 1)
    assert own_groups(["", "x", "nan"], ["0", "1", "2"]) == ["image 0", "x", "image 2"]
