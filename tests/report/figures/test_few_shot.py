"""The few-shot page where classes run out of images: what is said, left out and not drawn."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adapt.report.figures.few_shot import (
    band,
    below_words,
    outlook_words,
    shots_curve,
    shots_table,
)
from adapt.report.figures.style import Picture, house_style
from adapt.report.record.read import Run, read_run
from adapt.report.tables.cells import Cell, Table, Text
from tests.helpers.report_fixture import make_run

SEEDS = 4
FLAT = "a flat one does not"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of three classes, to be given a protocol; figures are made in the house style."""
    with house_style():
        yield read_run(make_run(tmp_path_factory.mktemp("runs") / "run", 3, 1))


def drawn(counts: Sequence[int], shots: int, seed: int) -> list[str]:
    """Images of one draw, by another way than the package's: nested, all where there are few."""
    found = []
    for label, count in enumerate(counts):
        order = np.random.default_rng([seed, label]).permutation(count)
        found += [f"{label}/{image}.jpg" for image in order[:shots]]
    return found


def with_protocol(
    run: Run, counts: Sequence[int], accuracies: Mapping[int, Sequence[float]], known: bool = True
) -> Run:
    """The run with few_shot.json as `adapt run` writes it for these classes."""
    cells: list[dict[str, Any]] = [
        {"shots": k, "seed": seed, "images": drawn(counts, k, seed), "accuracy": {"test": value}}
        for k, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    few_shot: dict[str, Any] = {
        "format": 1, "shots": list(accuracies), "seeds": SEEDS, "zero_shot": {"test": 0.5},
        "cells": cells, "judged_on": "test", "fewest_images": min(counts),
        "below_zero_shot": [
            {"shots": cell["shots"], "seed": cell["seed"]}
            for cell in cells if cell["accuracy"]["test"] < 0.5
        ],
    }  # fmt: skip
    card = {f"class {label}": count for label, count in enumerate(counts)} if known else {}
    data = {**run.scores["data"], "train": {"n": sum(counts), "per_class": card}}
    return replace(run, few_shot=few_shot, scores={**run.scores, "data": data})


def picture(run: Run) -> Picture:
    found = shots_curve(run)
    assert isinstance(found, Picture)
    return found


def rows_of(table: Table | None) -> dict[str, list[Cell]]:
    assert table is not None
    return {row[0].text: row for row in table.rows}


def test_numbers_that_draw_the_same_images_again_are_left_out(run: Run) -> None:
    plateau = [1.0] * SEEDS
    values = {1: [0.4, 0.7, 0.45, 0.6], 6: plateau, 16: plateau, 64: plateau}
    few = with_protocol(run, [6, 6, 6], values)
    rows = rows_of(shots_table(few))
    assert list(rows) == ["zero-shot", "1", "6"]
    assert rows["6"] == [
        Cell("6", note="the same 18 images in every draw"),
        Cell("100.0 %", change="+50.0"),
    ]
    low, high = stats.t.interval(0.95, 3, np.mean(values[1]), stats.sem(values[1]))
    assert rows["1"][0].note == ""
    assert rows["1"][1].note == f"{100 * low:.1f} to {100 * high:.1f}"
    shown = picture(few)
    left_out = "Left out: 16 and 64 images a class; no class has more than 6"
    assert shown.caption.count(left_out) == 1
    assert "at 6 a class every draw is the same 18 images, so there is no interval" in shown.caption
    assert "bands are" not in shown.caption
    assert "bars are 95 % intervals" in shown.caption
    assert "64" not in shown.alt
    axes = shown.figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "6"]
    assert axes.get_ylim()[1] == 1.0
    said = below_words(few)
    assert said is not None
    assert said.words.endswith("on test: 2 at 1 a class.")


def test_only_points_with_different_draws_are_in_the_band(run: Run) -> None:
    values = {1: [0.5, 0.6, 0.5, 0.7], 4: [0.7, 0.8, 0.75, 0.7], 8: [0.8] * 4, 16: [0.8] * 4}
    shown = picture(with_protocol(run, [8, 8, 8], values))
    axes = shown.figure.axes[0]
    (path,) = axes.collections[0].get_paths()
    assert np.asarray(path.vertices)[:, 0].max() == 4
    hollow = [
        line.get_xdata()[0]  # type: ignore[index]
        for line in axes.lines
        if line.get_marker() == "o" and line.get_markerfacecolor() != line.get_color()
    ]
    assert hollow == [8]
    assert "bands are 95 % intervals" in shown.caption
    assert FLAT in shown.read


def test_fits_that_differ_on_the_same_images_are_no_interval(run: Run) -> None:
    values = {1: [0.4, 0.5, 0.6, 0.5], 4: [0.6, 0.7, 0.7, 0.6], 16: [0.62, 0.8, 0.7, 0.71]}
    few = with_protocol(run, [9, 8, 9], values)
    row = rows_of(shots_table(few))["16"]
    assert row[0].note == "fewer in all 3 classes; the same 26 images in every draw"
    assert row[1].text == f"{100 * statistics.fmean(values[16]):.1f} %"
    assert row[1].note == "fits 62.0 to 80.0"
    table = shots_table(few)
    assert table is not None
    assert "Fits: the lowest and the highest" in table.legend


def test_what_classes_lack_is_counted_or_left_open(run: Run) -> None:
    values = {k: [0.6, 0.7, 0.65, 0.6 + place / 100] for place, k in enumerate((1, 4, 16), start=1)}
    counts = [5, 40, 40]
    few = with_protocol(run, counts, values)
    assert rows_of(shots_table(few))["16"][0].note == "fewer in 1 of 3 classes; 37 images a draw"
    assert rows_of(shots_table(few))["4"][0].note == ""
    caption = "1 of 3 classes at 16 images a class (the smallest class has 5)"
    assert caption in picture(few).caption
    unknown = with_protocol(run, counts, values, known=False)
    assert rows_of(shots_table(unknown))["16"][0].note == "fewer in some classes; 37 images a draw"
    assert "some classes at 16 images a class" in picture(unknown).caption


@pytest.mark.parametrize(
    ("counts", "shots", "said"),
    [
        ([20, 20, 30], (1, 4, 16), "at its right end wants more images; a flat one does not."),
        ([5, 9, 9], (1, 4, 16), "up to 4 a class, a line that is still rising"),
        ([3, 9, 9], (1, 4, 16), "a flat one says nothing"),
        ([3, 3, 3], (8, 16), "shows no trend"),
    ],
)
def test_flat_is_read_only_where_every_class_had_more_to_give(
    run: Run, counts: list[int], shots: tuple[int, ...], said: str
) -> None:
    few = with_protocol(run, counts, {k: [0.6, 0.7, 0.7, 0.6] for k in shots})
    read = picture(few).read
    assert said in read
    assert (FLAT in read) == (sum(k <= min(counts) for k in shots) > 1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_bands_are_the_interval_of_scipy_inside_0_and_1(values: list[float]) -> None:
    mean, low, high = band(values)
    error = float(stats.sem(values))
    reach = error * float(stats.t.isf(0.025, len(values) - 1))
    assert mean == pytest.approx(np.mean(values))
    expected = np.clip([np.mean(values) - reach, np.mean(values) + reach], 0, 1)
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-9)


def test_intervals_shown_stay_within_0_and_100_percent(run: Run) -> None:
    values = {1: [0.0, 0.3, 0.0, 0.1], 4: [1.0, 0.7, 1.0, 0.9]}
    few = with_protocol(run, [20, 20, 20], values)
    rows = rows_of(shots_table(few))
    assert rows["1"][1].note.startswith("0.0 to ")
    assert rows["4"][1].note.endswith(" to 100.0")
    low, high = picture(few).figure.axes[0].get_ylim()
    assert 0 <= low < high <= 1


def test_the_outlook_says_up_to_where_classes_are_unequal(run: Run) -> None:
    ranking = {
        "curve": {"1": 0.5, "8": 0.7, "26": 0.8}, "expected": {"52": 0.84, "104": 0.87},
        "recall": {"class 0": 0.7},
    }  # fmt: skip

    def words(counts: list[int], known: bool = True) -> str:
        few = replace(with_protocol(run, counts, {}, known), ranking=ranking)
        said = outlook_words(few)
        assert isinstance(said, Text)
        return said.words

    assert words([39, 39, 39]).startswith("With 26 images a class held-out accuracy is 80.0 %")
    assert "52 a class would give 84.0 % (+4.0)" in words([39, 39, 39])
    for unequal in (words([39, 12, 5]), words([39, 39, 39], known=False)):
        assert unequal.startswith("With up to 26 images a class held-out accuracy is 80.0 %")
        assert "up to 104 a class would give 87.0 % (+7.0)" in unequal
