"""The table of rules: what is shown is what the curve holds."""

from adapt.report.record.curve import probe_line
from adapt.report.record.read import RunRecord
from adapt.report.tables.rules import rules_table
from tests.helpers.report_fixture import (
    changed,
    make_guard,
    percent,
    rows_of,
    stored,
    texts,
    with_probe_shipped,
)


def test_rules_are_looked_up_on_the_curve(run: RunRecord) -> None:
    curve = stored(run, "curve")
    rows = rows_of(rules_table(run))
    assert list(rows) == [
        "val",
        "val_one_se (used)",
        "synthetic_shift",
        "min_regret",
        "synthetic_one_se",
    ]
    for rule, found in curve["rules"].items():
        row = rows.get(rule) or rows[f"{rule} (used)"]
        assert row[0].note == f"What {rule} takes"
        (point,) = [p for p in curve["points"] if p["alpha"] == found["alpha"]]
        shifts = [point[name]["accuracy"] for name in list(run.scores["data"]["evals"])[1:]]
        assert texts(row)[1:] == [
            f"{found['alpha']:g}",
            percent(found["accuracy"]),
            percent(point["synthetic"]),
            f"{found['temperature']:.2f}",
            percent(point["test"]["accuracy"]),
            percent(sum(shifts) / len(shifts)),
        ]
    table = rules_table(run)
    assert table is not None
    assert table.groups[-1] == ("for information only", 2)
    assert "took no part in any choice" in table.legend


def test_what_ships_after_the_guard_has_its_own_row(run: RunRecord) -> None:
    lower = changed(run, "curve", chosen=0.2)
    lower = changed(lower, "scores", guard=make_guard("lowered"))
    row = rows_of(rules_table(lower))["shipped"]
    assert (row[0].note, row[1].text) == ("after the guard stepped back", "0.2")


def test_without_corruptions_there_is_no_column_of_them(run: RunRecord) -> None:
    points = [
        {key: value for key, value in point.items() if key not in ("synthetic", "regret")}
        for point in stored(run, "curve")["points"]
    ]
    table = rules_table(changed(run, "curve", points=points))
    assert table is not None
    assert "val and its corruptions" not in table.header
    assert table.groups[1] == ("on val only", 3)
    assert table.legend.startswith("Every rule sees val, nothing else.")
    assert {len(row) for row in table.rows} == {len(table.header)}


def test_where_the_probe_ships_each_table_says_whose_alphas_it_holds(run: RunRecord) -> None:
    with_probe = with_probe_shipped(run)
    line = probe_line(with_probe)
    assert line is not None
    mixed, probe = rules_table(with_probe), rules_table(line)
    assert mixed is not None
    assert probe is not None
    assert mixed.caption == (
        "What each rule would choose for the mixed model (not shipped: the mixed probe (alpha 0.9) "
        "ships)"
    )
    assert probe.caption == "What each rule would choose for the mixed probe (shipped)"
    assert texts(rows_of(probe)["val (used)"])[1] == "0.9"
    assert texts(rows_of(mixed)["val_one_se (used)"])[1] == "0.4"
    assert [row[0].strong for row in (*mixed.rows, *probe.rows)] == [False] * 5 + [True]
    fixed = changed(with_probe, "curve", chosen=0.2, rule="fixed")
    row = rows_of(rules_table(fixed))["chosen"]
    assert (row[0].note, row[1].text, row[4].text) == ("set by the recipe", "0.2", "n/a")
