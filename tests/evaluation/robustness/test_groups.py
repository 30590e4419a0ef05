"""Accuracy by group against plain computations."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from adapt.data.images import Images
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_frame
from adapt.errors import DataError
from adapt.evaluation.robustness.groups import (
    check_group_columns,
    columns_of,
    group_columns,
    group_table,
)
from tests.helpers.tiny import draw_folder


def slow_accuracy(values: list[str], right: np.ndarray) -> dict[str, float]:
    found = defaultdict(list)
    for value, one in zip(values, right, strict=True):
        found[value or "(none)"].append(bool(one))
    return {value: sum(own) / len(own) for value, own in found.items()}


def test_rows_worst_and_gap() -> None:
    values = ["night"] * 25 + ["day"] * 40 + ["fog"] * 5 + [""] * 20
    right = np.array([1] * 10 + [0] * 15 + [1] * 40 + [0] * 5 + [1] * 18 + [0] * 2)
    before = np.array([1] * 5 + [0] * 20 + [0] * 40 + [1] * 25)
    table = group_table(values, right, before)
    assert [row["value"] for row in table["rows"]] == ["day", "fog", "night", "(none)"]
    assert [row["n"] for row in table["rows"]] == [40, 5, 25, 20]
    assert [row["accuracy"] for row in table["rows"]] == [1.0, 0.0, 0.4, 0.9]
    assert [row["before"] for row in table["rows"]] == [0.0, 1.0, 0.2, 1.0]
    assert [row["ranked"] for row in table["rows"]] == [True, False, True, True]
    # The five images of fog are all wrong, and too few to be called the worst.
    assert (table["worst"], table["gap"]) == ("night", pytest.approx(0.6))


def test_intervals_are_those_of_the_group_alone() -> None:
    random = np.random.default_rng(0)
    right = random.integers(0, 2, 90)
    values = [str(one) for one in random.integers(0, 3, 90)]
    for interval, method in (("wilson", "wilson"), ("clopper_pearson", "exact")):
        for row in group_table(values, right, right, interval)["rows"]:
            own = right[[value == row["value"] for value in values]]
            ends = binomtest(int(own.sum()), len(own)).proportion_ci(method=method)
            assert row["ci"] == pytest.approx(list(ends))


@pytest.mark.parametrize(("images", "worst", "ranked"), [(19, None, False), (20, "a", True)])
def test_small_groups_are_not_ranked(images: int, worst: str | None, ranked: bool) -> None:
    table = group_table(["a"] * images, np.ones(images), np.ones(images))
    assert (table["worst"], table["gap"]) == (worst, None)
    assert table["rows"][0]["ranked"] is ranked


def test_equal_groups() -> None:
    table = group_table(["b", "a"] * 20, np.ones(40), np.zeros(40))
    assert (table["worst"], table["gap"]) == ("a", 0.0)


@given(
    values=st.lists(st.sampled_from(["day", "night", "dawn", ""]), min_size=1, max_size=90),
    seed=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=40)
def test_against_a_slow_version_in_any_order(values: list[str], seed: int) -> None:
    random = np.random.default_rng(seed)
    right, before = random.integers(0, 2, (2, len(values)))
    if not any(values):
        values[0] = "day"
    table = group_table(values, right, before)
    now, then = slow_accuracy(values, right), slow_accuracy(values, before)
    assert {row["value"]: row["accuracy"] for row in table["rows"]} == now
    assert {row["value"]: row["before"] for row in table["rows"]} == then
    large = [now[row["value"]] for row in table["rows"] if row["n"] >= 20]
    assert table["gap"] == (max(large) - min(large) if len(large) > 1 else None)
    assert (table["worst"] is None) == (not large)
    assert table["worst"] is None or now[table["worst"]] == min(large)
    order = random.permutation(len(values))
    other = group_table([values[i] for i in order], right[order], before[order])
    assert (other["worst"], other["gap"]) == (table["worst"], table["gap"])
    for one, two in zip(table["rows"], other["rows"], strict=True):
        assert {**one, "ci": None} == {**two, "ci": None}


@pytest.mark.parametrize(
    ("values", "right", "expected"),
    [
        ([], [], "no values - 0 empty cells"),
        (["", ""], [1, 0], "no values - 2 empty cells"),
        (["a"], [1, 0], "not one per image"),
        (["a", "b"], [[1], [0]], "not one per image"),
    ],
)
def test_group_table_refuses(values: list[str], right: list[int], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        group_table(values, right, right)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageList:
    """Six drawings with four columns."""
    root = draw_folder(tmp_path_factory.mktemp("groups"), {"red_circle": 6}, 0)
    frame = pd.DataFrame(
        {
            "path": [f"red_circle/{number}.png" for number in range(6)],
            "label": "red_circle",
            "group": ["p1", "p1", "p1", "p2", "p2", "p2"],
            "Light": ["day", "", "day", "", "night", "night"],
            "caption": [f"red circle {number}" for number in range(6)],
            "camera": "phone",
            "site": "",
        }
    )
    return from_frame(frame, root)


def test_columns_of_images(images: ImageList) -> None:
    assert set(columns_of(images)) == {"group", "light", "caption", "camera", "site"}
    assert columns_of(images)["group"] == ["p1"] * 3 + ["p2"] * 3
    # Captions differ from image to image, one camera and an empty column compare nothing.
    assert group_columns(images) == {"group": ["p1"] * 3 + ["p2"] * 3,
                                     "light": ["day", "", "day", "", "night", "night"]}  # fmt: skip
    assert list(group_columns(images, ["camera", "weather"])) == ["camera"]
    four = group_columns(images.subset([5, 4, 0, 1]), ["light"])
    assert four == {"light": ["night", "night", "day", ""]}


def test_columns_are_checked_beforehand(images: ImageList, toy_root: Path) -> None:
    evals = {"test": images, "plain": Images.from_folder(toy_root / "test")}
    check_group_columns(["light", "group", "camera"], evals)
    with pytest.raises(DataError, match="no such column - 'lights', did you mean 'light'"):
        check_group_columns(["group", "lights"], evals)
    with pytest.raises(DataError, match="column 'site' of eval 'test' is empty"):
        check_group_columns(["site"], evals)
    with pytest.raises(DataError, match="the evals have: none"):
        check_group_columns(["light"], {"plain": evals["plain"]})
