"""Tables of an audit show what is stored."""

import numpy as np

from adapt.explore.audit.measures import GradedAnswers, audit_columns
from adapt.report.explore.audit_tables import (
    accuracy_table,
    change_table,
    extra_table,
    gap_cell,
    recall_table,
)


def test_every_group_and_cell_has_a_row() -> None:
    targets, values = np.tile([0, 1], 40), ["a"] * 30 + ["b"] * 40 + ["c"] * 10
    right = np.arange(80) % 4 > 0
    sides = {"model": right}
    told = audit_columns(
        GradedAnswers(targets, ["ant", "bee"], sides), {"x": values}, 20, 0.05, "bh"
    )
    column = told["columns"]["x"]
    table = accuracy_table("x", column)
    assert [row[0].text for row in table.rows] == ["a", "b", "c"]
    assert table.rows[2][0].note == table.rows[2][5].text == "too few"
    assert [row[0].strong for row in table.rows] == [
        row[0].text == column["worst"] for row in table.rows
    ]
    assert all(len(row) == len(table.header) for row in table.rows)
    assert change_table("x", column) is None
    assert extra_table("x", column) is None
    assert len(recall_table("x", column).rows) == 6
    both = audit_columns(
        GradedAnswers(targets, ["ant", "bee"], sides | {"start": ~right}),
        {"x": values},
        20,
        0.05,
        "bh",
    )["columns"]["x"]
    changes = change_table("x", both)
    assert changes is not None
    assert all(len(row) == len(changes.header) for row in changes.rows)
    recalls = recall_table("x", both)
    assert all(len(row) == len(recalls.header) for row in recalls.rows)


def test_an_arrow_is_only_for_what_is_clear() -> None:
    gap = {"difference": -0.2, "ci": [-0.3, -0.1], "clear": True}
    assert (gap_cell(gap).change, gap_cell(gap).tone) == ("▼", "worse")
    assert gap_cell(gap | {"clear": False}).change == "○"
