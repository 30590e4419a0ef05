"""The ladder and the heat map hold the stored scores."""

import numpy as np
import pytest

from adapt.report.figures.accuracy import NO_CORRUPTION, heat_map, ladder, severity_cells
from adapt.report.record.read import Absent, RunRecord
from tests.helpers.report_fixture import changed, figure_of, make_scores, record


def test_the_ladder_marks_test_and_mean_of_shifts(run: RunRecord) -> None:
    (axes,) = figure_of(ladder(run)).drawing.axes
    shifts = list(run.scores["data"]["evals"])[1:]
    for marker, names in (("o", ["test"]), ("D", shifts)):
        marks = [
            line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())
        ]
        for line, results in zip(marks, run.scores["models"].values(), strict=True):
            expected = np.mean([results[name]["accuracy"] for name in names])
            assert line.get_xdata()[0] == pytest.approx(expected)


def test_without_shifts_the_ladder_speaks_of_one_mark() -> None:
    shown = figure_of(ladder(record(make_scores(shifts=0))))
    assert shown.caption == "In-distribution test set with its 95 % interval."
    assert shown.read == "further right is better."
    assert "shift" not in shown.alt
    both = figure_of(ladder(record(make_scores(shifts=1))))
    assert both.caption == (
        "Filled: in-distribution test set with its 95 % interval. Open: domain_0."
    )
    assert "The line between the two marks" in both.read


def test_the_heat_map_holds_the_change_of_every_severity() -> None:
    run = record(make_scores(shifts=9))
    places = severity_cells(run)
    assert set(places) == {("gaussian_blur", 1), ("jpeg", 1), ("gaussian_blur", 3), ("jpeg", 3)}
    image = figure_of(heat_map(run)).drawing.axes[0].images[0].get_array()
    for (kind, severity), name in places.items():
        accuracy = {m: run.scores["models"][m][name]["accuracy"] for m in ("ensemble", "zero_shot")}
        cell = image[("gaussian_blur", "jpeg").index(kind), (1, 3).index(severity)]
        assert cell == pytest.approx(accuracy["ensemble"] - accuracy["zero_shot"])


def test_without_shifts_or_scores_the_reason_is_given(run: RunRecord) -> None:
    assert heat_map(record(make_scores(shifts=0))) == Absent(
        "Synthetic shifts by kind and severity", NO_CORRUPTION
    )
    empty = changed(run, "scores", models={"zero_shot": {}}, data={})
    assert ladder(empty) == Absent("Baseline ladder", "no test set was evaluated")


def test_one_cell_or_one_model_is_no_figure(run: RunRecord) -> None:
    assert heat_map(record(make_scores(shifts=2))) is None
    models = run.scores["models"]
    assert ladder(changed(run, "scores", models={"zero_shot": models["zero_shot"]})) is None
