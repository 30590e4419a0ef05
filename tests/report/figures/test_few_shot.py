"""The few-shot figure where classes run out of images: what is said, left out and not drawn."""

import numpy as np
import pytest
from scipy import stats

from adapt.report.figures.few_shot import shots_curve
from adapt.report.record.read import RunRecord
from adapt.report.tables.cells import Cell
from adapt.report.tables.few_shot import below_words, shots_table
from tests.helpers.report_fixture import figure_of, rows_of, with_protocol

SEEDS = 4
FLAT = "where it is flat"


def test_numbers_that_draw_the_same_images_again_are_left_out(run: RunRecord) -> None:
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
    shown = figure_of(shots_curve(few))
    left_out = "Left out: 16 and 64 images per class; no class has more than 6"
    assert shown.caption.count(left_out) == 1
    assert (
        "at 6 per class, every draw is the same 18 images, so there is no interval" in shown.caption
    )
    assert "bands are" not in shown.caption
    assert "bars are 95 % intervals" in shown.caption
    assert "64" not in shown.alt
    axes = shown.drawing.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "6"]
    assert axes.get_ylim()[1] == 1.0
    said = below_words(few)
    assert said is not None
    assert said.words.endswith("on test: 2 at 1 per class.")


def test_only_points_with_different_draws_are_in_the_band(run: RunRecord) -> None:
    values = {1: [0.5, 0.6, 0.5, 0.7], 4: [0.7, 0.8, 0.75, 0.7], 8: [0.8] * 4, 16: [0.8] * 4}
    shown = figure_of(shots_curve(with_protocol(run, [8, 8, 8], values)))
    axes = shown.drawing.axes[0]
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


def test_what_classes_lack_is_counted_or_left_open(run: RunRecord) -> None:
    values = {k: [0.6, 0.7, 0.65, 0.6 + place / 100] for place, k in enumerate((1, 4, 16), start=1)}
    counts = [5, 40, 40]
    few = with_protocol(run, counts, values)
    assert rows_of(shots_table(few))["16"][0].note == "fewer in 1 of 3 classes; 37 images per draw"
    assert rows_of(shots_table(few))["4"][0].note == ""
    caption = "1 of 3 classes at 16 images per class (the smallest class has 5)"
    assert caption in figure_of(shots_curve(few)).caption
    unknown = with_protocol(run, counts, values, known=False)
    assert (
        rows_of(shots_table(unknown))["16"][0].note == "fewer in some classes; 37 images per draw"
    )
    assert "some classes at 16 images per class" in figure_of(shots_curve(unknown)).caption


@pytest.mark.parametrize(
    ("counts", "shots", "said"),
    [
        ([20, 20, 30], (1, 4, 16), "where it is flat, they would not."),
        ([5, 9, 9], (1, 4, 16), "up to 4 per class, a line that still rises"),
        ([3, 9, 9], (1, 4, 16), "a flat line says nothing, since"),
    ],
)
def test_flat_is_read_only_where_every_class_had_more_to_give(
    run: RunRecord, counts: list[int], shots: tuple[int, ...], said: str
) -> None:
    few = with_protocol(run, counts, {k: [0.6, 0.7, 0.7, 0.6] for k in shots})
    read = figure_of(shots_curve(few)).read
    assert said in read
    assert ("would not" in read) == (sum(k <= min(counts) for k in shots) > 1)


def test_one_number_of_images_is_no_curve(run: RunRecord) -> None:
    few = with_protocol(run, [3, 3, 3], {k: [0.6, 0.7, 0.7, 0.6] for k in (8, 16)})
    assert shots_curve(few) is None


def test_intervals_shown_stay_within_0_and_100_percent(run: RunRecord) -> None:
    values = {1: [0.0, 0.3, 0.0, 0.1], 4: [1.0, 0.7, 1.0, 0.9]}
    few = with_protocol(run, [20, 20, 20], values)
    rows = rows_of(shots_table(few))
    assert rows["1"][1].note.startswith("0.0 to ")
    assert rows["4"][1].note.endswith(" to 100.0")
    low, high = figure_of(shots_curve(few)).drawing.axes[0].get_ylim()
    assert 0 <= low < high <= 1
