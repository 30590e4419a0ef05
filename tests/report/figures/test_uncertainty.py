"""Reliability and risk: the stored bins, curves and thresholds."""

from pathlib import Path

import numpy as np
import pytest

from adapt.report.figures.uncertainty import reliability, reliability_on_a_shift, risk_coverage
from adapt.report.record.read import Absent, RunRecord, read_run
from tests.helpers.report_fixture import changed, figure_of, make_run, metrics, stored


def test_risk_coverage_draws_the_stored_curves_and_thresholds(run: RunRecord) -> None:
    parts = stored(run, "uncertainty")
    (axes,) = figure_of(risk_coverage(run)).drawing.axes
    assert {text.get_text() for text in axes.texts} == set(parts["risk_coverage"])
    lines = [line for line in axes.lines if line.get_marker() == "None"]
    marks = [line for line in axes.lines if line.get_marker() == "D"]
    for line, mark, name in zip(lines, marks, parts["risk_coverage"], strict=True):
        curve, answered = parts["risk_coverage"][name], parts["abstention"]["evals"][name]
        assert [list(data) for data in line.get_data()] == [curve["coverage"], curve["risk"]]
        place = [data[0] for data in mark.get_data()]
        assert place == pytest.approx([answered["coverage"], 1 - answered["accuracy"]])


@pytest.mark.usefixtures("run")
def test_risk_coverage_names_the_test_set_and_natural_shifts_first(tmp_path: Path) -> None:
    many = read_run(make_run(tmp_path / "run", 2, 11))
    (axes,) = figure_of(risk_coverage(many)).drawing.axes
    named = {text.get_text() for text in axes.texts}
    assert len(named) == 6
    assert "test" in named
    assert all(name == "test" or name.startswith("domain_") for name in named)
    assert axes.lines[0].get_label() == "6 other evals"


def test_reliability_titles_hold_the_calibration_error_of_the_bins(run: RunRecord) -> None:
    figure = figure_of(reliability(run))
    for axes, stage in zip(figure.drawing.axes, ("before", "after"), strict=False):
        bins = [entry for entry in stored(run, "reliability")[stage]["test"] if entry["n"]]
        count, accuracy, confidence = (
            np.array([entry[key] for entry in bins]) for key in ("n", "accuracy", "confidence")
        )
        error = np.average(np.abs(accuracy - confidence), weights=count)
        assert axes.get_title(loc="left") == f"{stage}: calibration error {error:.3f}"
    assert figure.title == "Reliability on test"


def test_the_second_reliability_is_that_of_the_worst_shift(run: RunRecord) -> None:
    results = run.scores["models"]["ensemble"]
    worst = max(list(run.scores["data"]["evals"])[1:], key=lambda name: results[name]["ece"])
    assert figure_of(reliability_on_a_shift(run)).title.startswith(f"Reliability on {worst} (")
    alone = changed(run, "scores", models={"zero_shot": {"test": metrics(0.5)}})
    assert reliability_on_a_shift(alone) == Absent("Reliability on a shift", "no shift was scored")
