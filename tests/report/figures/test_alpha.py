"""The alpha curve: lines and marks are the stored numbers."""

from dataclasses import replace

from adapt.report.figures.alpha import alpha_curve
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import changed, figure_of, lines_of, make_guard, stored


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
