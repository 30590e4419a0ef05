"""Effective robustness: the stored line, and the distance from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from adapt.report.figures.effective_robustness import effective, scatter
from adapt.report.record.read import Absent, RunRecord, read_run
from tests.helpers.report_fixture import figure_of, lines_of, make_run, stored


def test_effective_figure_draws_the_stored_line_and_its_distance(run: RunRecord) -> None:
    parts = stored(run, "robustness")
    figure = figure_of(effective(run)).drawing
    panels = [axes for axes in figure.axes if axes.get_visible()]
    drawn = {name: entry for name, entry in parts["shifts"].items() if entry["fit"] is not None}
    assert len(panels) == len(drawn) == len(parts["shifts"]) - 1
    assert "1 without a line: the table says why" in figure_of(effective(run)).caption
    for axes, (name, entry) in zip(panels, drawn.items(), strict=True):
        mine = entry["models"]["ensemble"]
        (mark,) = lines_of(axes, "mixed model (shipped)")
        assert mark[:, 0] == pytest.approx(logit([mine["id"], mine["ood"]]))
        lines = lines_of(axes, "usual accuracy")
        x, y = lines[0]
        slope = (y[1] - y[0]) / (x[1] - x[0])
        usual = y[0] + slope * (logit(mine["id"]) - x[0])
        assert mine["ood"] - expit(usual) == pytest.approx(mine["effective"])
        (dots,) = lines_of(axes, "reference models")
        assert dots == pytest.approx(logit(np.array(entry["references"])).T)
        assert axes.get_title(loc="left") == f"{name}: {100 * mine['effective']:+.1f}"
        strokes = [line for line in axes.lines if line.get_linewidth() == 2.4]
        assert strokes[0].get_ydata() == pytest.approx([usual, logit(mine["ood"])])


@pytest.mark.usefixtures("run")
def test_effective_figure_draws_no_more_than_six_and_says_so(tmp_path: Path) -> None:
    many = read_run(make_run(tmp_path / "run", 2, 11))
    found = figure_of(effective(many))
    assert sum(axes.get_visible() for axes in found.drawing.axes) == 6
    assert "4 more are in the table" in found.caption
    titles = [axes.get_title(loc="left") for axes in found.drawing.axes]
    # Five of the six natural shifts have a line.
    assert sum(title.startswith("domain_") for title in titles) == 5


def test_without_any_line_nothing_is_drawn_and_what_to_bring_is_said(run: RunRecord) -> None:
    parts = stored(run, "robustness")
    for entry in parts["shifts"].values():
        entry |= {"fit": None, "reason": "no reference models were measured on the shift"}
    words = effective(replace(run, robustness=parts))
    assert isinstance(words, Absent)
    assert "ten or more other models" in words.reason


def test_scatter_draws_every_model_but_the_majority_class(run: RunRecord) -> None:
    (axes,) = figure_of(scatter(run)).drawing.axes
    models = {"zero_shot": "zero-shot", "linear_probe": "linear probe", "adapted": "adapted"}
    shifts = list(run.scores["data"]["evals"])[1:]
    for model, label in models.items():
        results = run.scores["models"][model]
        away = np.mean([results[name]["accuracy"] for name in shifts])
        (mark,) = lines_of(axes, label)
        assert mark[:, 0] == pytest.approx(logit([results["test"]["accuracy"], away]))
    assert not lines_of(axes, "majority class")
