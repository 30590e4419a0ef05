"""Effective robustness: the stored line, and the distance from it."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from adapt.report.figures.effective_robustness import effective, scatter
from adapt.report.record.read import RunRecord, read_run
from tests.helpers.report_fixture import figure_of, lines_of, make_run, stored


def test_effective_figure_draws_the_stored_line_and_its_distance(run: RunRecord) -> None:
    parts = stored(run, "robustness")
    figure = figure_of(effective(run)).drawing
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == len(parts["shifts"])
    for axes, (name, entry) in zip(panels, parts["shifts"].items(), strict=True):
        mine = entry["models"]["ensemble"]
        (mark,) = lines_of(axes, "ensemble (shipped)")
        assert mark[:, 0] == pytest.approx(logit([mine["id"], mine["ood"]]))
        lines = lines_of(axes, "usual accuracy")
        if entry["fit"] is None:
            assert not lines
            assert axes.get_title(loc="left") == f"{name}: no line"
            continue
        x, y = lines[0]
        slope = (y[1] - y[0]) / (x[1] - x[0])
        usual = y[0] + slope * (logit(mine["id"]) - x[0])
        assert mine["ood"] - expit(usual) == pytest.approx(mine["effective"])
        if slope < 0:
            assert axes.get_title(loc="left") == f"{name}: line falls"
            continue
        assert axes.get_title(loc="left") == f"{name}: {100 * mine['effective']:+.1f}"
        strokes = [line for line in axes.lines if line.get_linewidth() == 2.4]
        assert strokes[0].get_ydata() == pytest.approx([usual, logit(mine["ood"])])


@pytest.mark.usefixtures("run")
def test_effective_figure_draws_no_more_than_six_and_says_so(tmp_path: Path) -> None:
    many = read_run(make_run(tmp_path / "run", 2, 11))
    found = figure_of(effective(many))
    assert sum(axes.get_visible() for axes in found.drawing.axes) == 6
    assert "5 more are in the table" in found.caption
    natural = [axes.get_title(loc="left") for axes in found.drawing.axes]
    assert all(title.startswith("domain_") for title in natural)


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
