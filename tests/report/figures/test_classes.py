"""Confusions and recalls: the drawn numbers are the stored ones."""

import numpy as np
import pytest

from adapt.report.figures.classes import confusion, per_class
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import figure_of, make_scores, record, stored


def test_the_matrix_is_a_fraction_of_each_row(run: RunRecord) -> None:
    classes = stored(run, "scores")["classes"]
    counts = np.zeros((len(classes), len(classes)))
    for row in run.confusion or []:
        counts[classes.index(row["true"]), classes.index(row["predicted"])] += int(row["count"])
    (axes,) = figure_of(confusion(run)).drawing.axes
    expected = counts / counts.sum(axis=1, keepdims=True)
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(expected)
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(c, r): f"{counts[r, c]:.0f}" for r, c in np.argwhere(counts > 0)}


def test_a_matrix_of_many_classes_is_not_drawn() -> None:
    names = [f"class {number}" for number in range(41)]
    rows = [{"eval": "test", "true": names[0], "predicted": names[1], "count": "1"}]
    run = record(make_scores(1, names), confusion=rows)
    assert confusion(run) is None


def test_figures_that_would_say_nothing_are_not_drawn() -> None:
    right = [{"eval": "test", "true": name, "predicted": name, "count": "3"} for name in "ab"]
    assert confusion(record(make_scores(1, "ab"), confusion=right)) is None
    rows = [
        {"model": model, "eval": "test", "class": name, "n": "3", "recall": "0.5"}
        for name in "ab"
        for model in ("zero_shot", "ensemble")
    ]
    assert per_class(record(make_scores(1, "ab"), per_class=rows)) is None


def test_bars_are_recalls_best_first(run: RunRecord) -> None:
    recall = {(row["model"], row["class"]): float(row["recall"]) for row in run.per_class or []}
    (axes,) = figure_of(per_class(run)).drawing.axes
    names = [label.get_text().split("  n=")[0] for label in axes.get_yticklabels()]
    widths = [bar.get_width() for bar in axes.containers[0]]
    assert widths == sorted(widths, reverse=True)
    assert widths == [recall["ensemble", name] for name in names]
    (before,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert list(before.get_xdata()) == [recall["zero_shot", name] for name in names]


def test_of_many_classes_the_most_changed_are_shown() -> None:
    names = [f"class {number:02d}" for number in range(50)]
    rows = [
        {"model": model, "eval": "test", "class": name, "n": "9", "recall": str(recall)}
        for number, name in enumerate(names)
        for model, recall in (("zero_shot", 0.5), ("ensemble", number / 49))
    ]
    shown = figure_of(per_class(record(make_scores(1, names), per_class=rows)))
    worse, better = shown.drawing.axes
    assert [label.get_text()[:8] for label in worse.get_yticklabels()] == names[:20]
    assert [label.get_text()[:8] for label in better.get_yticklabels()] == names[:-21:-1]
    assert "The most changed of 50 classes are shown." in shown.caption
