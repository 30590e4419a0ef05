"""The alpha curve: lines and marks are the stored numbers."""

from dataclasses import replace

from adapt.report.figures.alpha import alpha_curve, probe_curve
from adapt.report.figures.style import ReportFigure
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import (
    changed,
    figure_of,
    lines_of,
    make_guard,
    stored,
    with_probe_shipped,
)


def test_alpha_curve_marks_every_rule_and_draws_the_corruptions(run: RunRecord) -> None:
    curves, strip = figure_of(alpha_curve(run)).drawing.axes
    alphas = [line.get_xdata()[0] for line in strip.lines if line.get_marker() == "o"]
    assert alphas == [found["alpha"] for found in stored(run, "curve")["rules"].values()]
    (line,) = lines_of(curves, "val and its corruptions")
    points = stored(run, "curve")["points"]
    assert line.tolist() == [[p["alpha"] for p in points], [p["synthetic"] for p in points]]


def test_a_guard_that_stepped_back_is_named(run: RunRecord) -> None:
    lower = changed(changed(run, "curve", chosen=0.2), "scores", guard=make_guard("lowered"))
    assert "stepped back from 0.4 to 0.2" in figure_of(alpha_curve(lower)).caption


def test_a_curve_from_before_the_rules_still_draws(run: RunRecord) -> None:
    points = stored(run, "curve")["points"]
    for point in points:
        del point["synthetic"], point["regret"]
    old = replace(run, curve={"points": points, "chosen": 0.4, "rule": "val"})
    assert len(figure_of(alpha_curve(old)).drawing.axes) == 1


def test_alphas_that_val_leaves_open_are_named(run: RunRecord) -> None:
    chosen = stored(run, "curve")["chosen"]
    caption = figure_of(alpha_curve(changed(run, "curve", level=[chosen, 0.6, 0.8]))).caption
    assert f"By accuracy val does not tell {chosen:g} from 0.6 and 0.8: " in caption
    alone = figure_of(alpha_curve(changed(run, "curve", level=[chosen]))).caption
    assert "does not tell" not in alone


def test_where_the_probe_ships_no_point_of_the_other_line_is_called_shipped(run: RunRecord) -> None:
    with_probe = with_probe_shipped(run)
    mixed, probe = figure_of(alpha_curve(with_probe)), probe_curve(with_probe)
    assert isinstance(probe, ReportFigure)
    marks = [[text.get_text() for text in shown.drawing.axes[0].texts] for shown in (mixed, probe)]
    assert marks == [["mixed model at 0.4 (not shipped)"], ["shipped 0.9"]]
    assert mixed.title == "Alpha curve of the mixed model (not shipped)"
    assert probe.title == "Alpha curve of the mixed probe (shipped)"
    assert mixed.name != probe.name
    ships = "what ships is the mixed probe (alpha 0.9) on the line from zero-shot to the linear"
    assert ships in mixed.caption
    assert "At the chosen (not shipped) alpha 0.4:" in mixed.alt
    assert "At the shipped alpha 0.9:" in probe.alt
    ends = [shown.drawing.axes[-1].get_xlabel() for shown in (mixed, probe)]
    assert ends == [
        "alpha (0 = zero-shot, 1 = adapted model)",
        "alpha (0 = zero-shot, 1 = linear probe)",
    ]


def test_where_the_mixed_model_ships_there_is_one_curve(run: RunRecord) -> None:
    shown = figure_of(alpha_curve(run))
    assert [text.get_text() for text in shown.drawing.axes[0].texts] == ["shipped 0.4"]
    assert shown.title == "Alpha curve"
    assert probe_curve(run) is None
