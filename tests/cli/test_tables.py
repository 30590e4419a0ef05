"""The tables that commands print, cell by cell."""

from types import SimpleNamespace
from typing import Any

from rich.table import Table

from adapt.cli.tables import score_table, soup_sentence, soup_table


def cells(table: Table) -> list[list[Any]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def test_scores_are_in_percent_and_gaps_are_shown() -> None:
    models = {
        "zero_shot": {"val": {"accuracy": 0.5}, "test": {"accuracy": 0.25}},
        "adapted": {"val": {"accuracy": 0.75}, "test": {"accuracy": None}},
        "ensemble": {"val": {"accuracy": 0.625}, "test": {"accuracy": 0.5}},
        "mixed_probe": {"test": {"accuracy": 1.0}},
        "majority": {"val": {"accuracy": 0.125}, "test": {"accuracy": 0.125}},
    }
    candidates = {"mixed": {"alpha": 1.0}, "probe": {"alpha": 0.9}}
    scores = {"models": models, "alpha": 0.9, "shipped": "mixed_probe"}
    table = score_table(scores | {"ship": {"candidates": candidates}})
    headers = [column.header for column in table.columns]
    assert headers == ["model", "alpha", "val (used to choose)", "test"]
    assert table.title == "accuracy in %", "no alpha holds for all rows"
    assert cells(table) == [
        ["majority class", "", "12.5", "12.5"],
        ["zero-shot", "0", "50.0", "25.0"],
        ["mixed probe (shipped)", "0.9", "n/a", "100.0"],
        ["adapted", "1", "75.0", "n/a"],
        ["mixed model", "1", "62.5", "50.0"],
    ]
    assert [row.style for row in table.rows] == [None, None, "bold", None, None]


def test_a_soup_says_what_became_of_each_model() -> None:
    trials = [
        SimpleNamespace(name="a[b]", reason="best alone"),
        SimpleNamespace(name="b", reason="lowers val"),
    ]
    report: Any = SimpleNamespace(
        images=8, trials=trials, alone={"a[b]": 0.75, "b": 0.5}, chosen=["a[b]"], best="a[b]",
        accuracy=0.875, difference={"difference": 0.125, "ci": (0.0, 0.25)},
    )  # fmt: skip
    table = soup_table(report, "greedy")
    assert cells(table) == [
        [r"a\[b]", "75.0", "yes", "best alone"],
        ["b", "50.0", "no", "lowers val"],
    ]
    told = "soup 87.5, best single run 75.0: difference +12.5 (95 % interval +0.0 to +25.0)"
    assert soup_sentence(report, "uniform") == told
    assert soup_sentence(report, "greedy") == f"{told}, chosen on these images"
