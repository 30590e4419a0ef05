"""Cells of differences, and headers of two rows."""

import pytest

from adapt.report.tables.cells import Cell, Table, difference_cell


@pytest.mark.parametrize(
    ("bounds", "change", "tone"),
    [((0.01, 0.05), "▲", "better"), ((-0.05, -0.01), "▼", "worse"), ((0.0, 0.1), "○", "unclear")],
)
def test_only_an_interval_beside_zero_is_clear(
    bounds: tuple[float, float], change: str, tone: str
) -> None:
    cell = difference_cell({"difference": sum(bounds) / 2, "ci": bounds})
    assert (cell.change, cell.tone) == (change, tone)


def test_without_an_interval_there_is_no_arrow() -> None:
    assert difference_cell({"difference": 0.03}) == Cell("+3.0")
    assert difference_cell({"ci": (0, 1)}) == Cell("n/a")


def test_a_flat_header_repeats_its_group() -> None:
    table = Table("", ["eval", "before", "after"], [], (("", 1), ("error", 2)))
    assert table.flat_header() == ["eval", "error: before", "error: after"]
