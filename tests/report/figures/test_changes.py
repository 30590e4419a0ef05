"""Bars and lines of what adapting changed are the stored numbers."""

from adapt.report.figures.changes import flips, forgetting
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import figure_of, stored


def test_bars_are_the_stored_gains_and_losses(run: RunRecord) -> None:
    parts = stored(run, "robustness")["flips"]
    gained, lost = figure_of(flips(run)).drawing.axes[0].containers
    assert [bar.get_width() for bar in gained] == [entry["gained"] for entry in parts.values()]
    assert [bar.get_width() for bar in lost] == [-entry["lost"] for entry in parts.values()]


def test_lines_are_the_stored_retention(run: RunRecord) -> None:
    parts = stored(run, "robustness")["retention"]
    (axes,) = figure_of(forgetting(run)).drawing.axes
    for line, kept in zip(axes.lines, parts.values(), strict=False):
        assert line.get_ydata().tolist() == [point["accuracy"] for point in kept["curve"]]
    assert {text.get_text() for text in axes.texts} == set(parts)
