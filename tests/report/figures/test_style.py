"""A figure is registered with its name and file, and becomes an element of the page."""

import re
from dataclasses import replace

import pytest

from adapt.report.figures.style import (
    INK,
    ReportFigure,
    as_inline_svg,
    as_svg,
    figure,
    new_figure,
)
from adapt.report.record.read import Absent, RunRecord
from tests.helpers.report_fixture import record


def draw(run: RunRecord) -> ReportFigure | str:
    """A figure that is there when the run has a seed."""
    if "seed" not in run.scores:
        return "the run has no seed"
    drawing = new_figure(2, 2)
    drawing.add_subplot().plot([0, 1], [0, 1], color=INK, label="$x_1$ <b>")
    drawing.legend()
    return ReportFigure(drawing, 'A "line" <b>.', "", "")


def test_the_decorator_names_the_figure_or_says_why_there_is_none(run: RunRecord) -> None:
    made = figure("line", "Line")(draw)
    shown = made(run)
    assert isinstance(shown, ReportFigure)
    assert (shown.name, shown.title) == ("line", "Line")
    assert made(record({"models": {}})) == Absent("Line", "the run has no seed")


def test_a_figure_is_not_drawn_without_its_file(run: RunRecord) -> None:
    def fail(run: RunRecord) -> str:
        pytest.fail("drawn without its file")

    lost = replace(run, absent={"ranking.json": "ranking.json is absent: x"})
    made = figure("line", "Line", needs="ranking.json")(fail)
    assert made(lost) == Absent("Line", "ranking.json is absent: x")


def test_inline_svg_has_its_own_ids_colours_of_the_page_and_words(run: RunRecord) -> None:
    shown = figure("line", "Line")(draw)(run)
    assert isinstance(shown, ReportFigure)
    svg = as_inline_svg(as_svg(shown.drawing), shown)
    assert svg.startswith('<svg role="img" aria-label="A &#34;line&#34; &lt;b&gt;." ')
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    assert ids
    assert all(name.startswith("line-") for name in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= ids
    assert "var(--ink)" in svg
    assert INK not in svg
    assert "$x_1$ &lt;b&gt;" in svg
