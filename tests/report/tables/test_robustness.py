"""Tables of robustness: the stored numbers, and what cannot be told from them."""

from dataclasses import replace

import numpy as np
import pytest

from adapt.report.record.read import RunRecord
from adapt.report.tables.robustness import (
    corruption_table,
    effective_table,
    flip_table,
    group_tables,
    retention_table,
)
from tests.helpers.report_fixture import changed, percent, rows_of, stored, texts


def test_shift_table_holds_the_stored_numbers(run: RunRecord) -> None:
    table, shifts = effective_table(run), stored(run, "robustness")["shifts"]
    assert table is not None
    cells = iter(table.rows)
    for name, entry in shifts.items():
        for place, model in enumerate(("ensemble", "adapted")):
            row, found = next(cells), entry["models"][model]
            assert row[0].text == (name if place == 0 else "")
            assert texts(row)[2:4] == [percent(found["id"]), percent(found["ood"])]
            if found["effective"] is None:
                assert texts(row)[4] == "n/a"
            else:
                assert texts(row)[4] == f"{100 * found['effective']:+.1f}"
            assert texts(row)[5] == f"{100 * found['relative']:+.1f}"
    models = [entry["models"] for entry in shifts.values()]
    for model in ("ensemble", "adapted"):
        row = next(cells)
        assert row[0].text == "mean of shifts"
        assert texts(row)[3] == percent(np.mean([each[model]["ood"] for each in models]))
    assert next(cells, None) is None


def test_shift_table_says_what_cannot_be_told(run: RunRecord) -> None:
    parts = stored(run, "robustness")
    names = list(parts["shifts"])
    masked, none, small = (parts["shifts"][name] for name in names[:3])
    masked |= {"classes": 2}
    none |= {"fit": None, "reason": "one model"}
    for row in none["models"].values():
        row |= {"effective": None, "effective_ci": None}
    small["models"]["zero_shot"] |= {"id": 0.601, "ood": 0.6}
    rows = rows_of(effective_table(replace(run, robustness=parts)))
    assert rows[names[0]][0].note == "on its 2 classes"
    assert (rows[names[1]][0].note, rows[names[1]][4].text) == ("no line: one model", "n/a")
    assert (rows[names[2]][6].text, rows[names[2]][6].note) == ("n/a", "the gap was +0.1")
    assert rows["mean of shifts"][4].text == "n/a"


def test_without_any_line_effective_robustness_is_not_stated(run: RunRecord) -> None:
    parts = stored(run, "robustness")
    for entry in parts["shifts"].values():
        entry |= {"fit": None, "reason": "no reference models were measured on the shift"}
        for row in entry["models"].values():
            row |= {"effective": None, "effective_ci": None}
    table = effective_table(replace(run, robustness=parts))
    assert table is not None
    assert table.header == ["shift", "model", "test", "shift", "relative", "gap closed"]
    assert all(len(row) == 6 for row in table.rows)
    assert not any("no line" in row[0].note for row in table.rows)
    assert "Effective" not in table.legend


def test_corruption_table(run: RunRecord) -> None:
    parts = stored(run, "robustness")["corruption_error"]
    parts["ensemble"]["kinds"]["jpeg"] = None
    rows = rows_of(corruption_table(changed(run, "robustness", corruption_error=parts)))
    assert texts(rows["mean of kinds"])[1:] == ["0.97", "1.12", "0.89"]
    assert (rows["jpeg"][-1].text, rows["jpeg"][-1].note) == ("n/a", "zero-shot makes no error")


def test_flips_add_up(run: RunRecord) -> None:
    parts = stored(run, "robustness")["flips"]
    for name, row in rows_of(flip_table(run)).items():
        fractions = [float(cell.text.split()[0]) for cell in row[2:]]
        assert fractions[0] == pytest.approx(sum(fractions[1:]), abs=0.16)
        wanted = [parts[name][key] for key in ("rate", "gained", "lost")]
        assert texts(row)[2:5] == [percent(value) for value in wanted]


def test_retention_table_holds_the_stored_numbers(run: RunRecord) -> None:
    parts = stored(run, "robustness")["retention"]
    for name, row in rows_of(retention_table(run)).items():
        kept = parts[name]
        assert texts(row)[1:3] == ["300", "20"]
        assert texts(row)[3:5] == [percent(kept["before"]), percent(kept["after"])]
        assert row[5].change == ("▼" if kept["ci"][1] < 0 else "○")


def test_groups_are_ordered_and_small_ones_are_not_ranked(run: RunRecord) -> None:
    parts = stored(run, "robustness")["groups"]["test"]
    tables = group_tables(run)
    assert [table.header[0] for table in tables] == list(parts)
    for table, found in zip(tables, parts.values(), strict=True):
        sizes = {row["value"]: row["n"] for row in found["rows"]}
        ranked = [row for row in table.rows if sizes[row[0].text] >= 20]
        shown = [float(row[2].text.split()[0]) for row in ranked]
        assert shown == sorted(shown)
        assert table.rows[: len(ranked)] == ranked
        assert [row[0].text for row in table.rows if row[0].strong] == [found["worst"]]
        assert all(row[0].note == "few images, not ranked" for row in table.rows[len(ranked) :])
        assert f"{100 * found['gap']:.1f} points apart" in table.legend


def test_no_group_is_the_worst_when_none_is_ranked(run: RunRecord) -> None:
    rows = [{"value": "day", "n": 3, "accuracy": 0.0, "ci": [0, 0], "before": 1, "ranked": False}]
    parts = {"test": {"light": {"worst": None, "gap": None, "rows": rows}}}
    (table,) = group_tables(changed(run, "robustness", groups=parts))
    assert not any(cell.strong or "worst" in cell.note for cell in table.rows[0])
    assert "apart" not in table.legend
