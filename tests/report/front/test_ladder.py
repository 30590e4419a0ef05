"""The few rows of the first page."""

from adapt.report.front.ladder import steps_table
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import (
    changed,
    make_scores,
    percent,
    record,
    rows_of,
    with_probe_shipped,
)


def test_from_zero_shot_over_a_head_to_what_ships(run: RunRecord) -> None:
    table = steps_table(run)
    rows = rows_of(table)
    assert list(rows) == ["zero-shot", "linear probe", "adapted", "mixed model (shipped)"]
    assert table.header == ["model", "test (in-distribution)", "mean of 5 shifts"]
    for name, model in (("linear probe", "linear_probe"), ("mixed model (shipped)", "ensemble")):
        own = run.scores["models"][model]
        shifts = [own[shift]["accuracy"] for shift in run.scores.shifts]
        shown = [cell.text for cell in rows[name][1:]]
        assert shown == [percent(own["test"]["accuracy"]), percent(sum(shifts) / len(shifts))]
    assert rows["linear probe"][0].note == "a head on frozen features"
    assert [cells[0].strong for cells in table.rows] == [False, False, False, True]


def test_what_ships_is_the_last_row(run: RunRecord) -> None:
    assert list(rows_of(steps_table(with_probe_shipped(run))))[-1] == "mixed probe (shipped)"
    zero = steps_table(changed(run, "scores", shipped="zero_shot"))
    assert list(rows_of(zero)) == ["linear probe", "adapted", "zero-shot (shipped)"]


def test_without_a_test_set_the_held_out_images_stand_there() -> None:
    scores = make_scores(shifts=0)
    scores["data"]["evals"] = {}
    scores["models"] = {name: {"val": own["val"]} for name, own in scores["models"].items()}
    table = steps_table(record(scores))
    assert table.header == ["model", "val (used to choose)"]
    shown = rows_of(table)["mixed model (shipped)"][1].text
    assert shown == percent(scores["models"]["ensemble"]["val"]["accuracy"])


def test_without_shifts_there_is_no_empty_column() -> None:
    assert steps_table(record(make_scores(shifts=0))).header == ["model", "test (in-distribution)"]
