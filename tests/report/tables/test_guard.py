"""The tables of the guard hold the stored differences."""

from adapt.report.record.read import RunRecord
from adapt.report.tables.guard import guard_table, worse_classes_table
from tests.helpers.report_fixture import changed, make_guard, rows_of, texts, with_probe_shipped


def test_guard_table_holds_the_stored_differences(run: RunRecord) -> None:
    guard = make_guard()
    guard["against"]["linear_probe"] = {"difference": -0.04, "ci": [-0.07, -0.01]}
    named = rows_of(guard_table(changed(run, "scores", guard=guard)))
    assert list(named) == [
        "mixed model (shipped) minus zero-shot",
        "mixed model (shipped) minus linear probe",
        "adapted (alpha 1) minus zero-shot",
    ]
    rows = list(named.values())
    assert [texts(row)[1] for row in rows] == ["+12.0", "-4.0", "+14.0"]
    assert [row[1].note for row in rows] == ["+6.0 to +18.0", "-7.0 to -1.0", "+9.0 to +20.0"]
    assert [row[1].change for row in rows] == ["▲", "▼", "▲"]
    assert worse_classes_table(changed(run, "scores", guard=guard)) is None
    worse = {"class": "cup", "n": 12, "difference": -0.25, "ci": [-0.5, -0.01]}
    lost = changed(run, "scores", guard=guard | {"worse_classes": [worse]})
    (row,) = rows_of(worse_classes_table(lost)).values()
    assert texts(row) == ["cup", "12", "-25.0"]


def test_where_the_probe_ships_the_guard_compared_points_of_its_line(run: RunRecord) -> None:
    assert list(rows_of(guard_table(with_probe_shipped(run)))) == [
        "mixed probe (shipped) minus zero-shot",
        "mixed probe (shipped) minus linear probe",
        "linear probe (alpha 1) minus zero-shot",
    ]
