"""Tables of uncertainty: the stored numbers, and what is not known."""

from dataclasses import replace

import pytest

from adapt.report.record.read import RunRecord
from adapt.report.tables.uncertainty import (
    abstention_table,
    conformal_table,
    ece_table,
    set_scores_table,
    temperature_words,
    uncovered_words,
    unknown_table,
    why_no_sets,
)
from tests.helpers.report_fixture import changed, percent, rows_of, stored, texts


def test_uncertainty_tables_hold_the_stored_numbers(run: RunRecord) -> None:
    parts = stored(run, "uncertainty")
    calibration, abstention = rows_of(ece_table(run)), rows_of(abstention_table(run))
    conformal = rows_of(conformal_table(run))
    for name in run.scores["data"]["evals"]:
        ece, answered = parts["ece"][name], parts["abstention"]["evals"][name]
        keys = ("before", "after", "by_chance", "most_by_chance")
        assert texts(calibration[name])[1:] == [f"{ece[k]:.3f}" for k in keys]
        more = ece["after"] > ece["most_by_chance"]
        assert calibration[name][2].note == ("more than chance" if more else "may be chance")
        assert texts(abstention[name])[1:] == [
            percent(answered["coverage"]),
            percent(answered["accuracy"]),
            percent(run.scores["models"]["ensemble"][name]["accuracy"]),
        ]
        expected = []
        for kind in ("global", "per_class"):
            found = parts["conformal"][kind]["evals"][name]
            expected += [percent(found["coverage"]), f"{found['size']:.2f}"]
            expected += [percent(found["single"]), percent(found["empty"])]
            cell = conformal[name][len(expected) - 3]
            low, high = found["coverage_ci"]
            ends = f"{100 * low:.1f} to {100 * high:.1f}"
            assert cell.note == (f"{ends}, short" if high < 0.9 else ends)
        assert texts(conformal[name])[1:] == expected
    for name, row in zip(
        ("msp", "energy", "knn"), rows_of(unknown_table(run)).values(), strict=True
    ):
        found = parts["unknown"]["detectors"][name]
        assert texts(row)[1:] == [percent(found["auroc"]), percent(found["fpr95"])]


def test_uncertainty_says_what_is_not_known(run: RunRecord) -> None:
    parts = stored(run, "uncertainty")
    parts["abstention"]["evals"]["test"] = {"coverage": 0.0, "accuracy": None}
    parts["conformal"]["global"]["evals"]["test"] |= {"coverage": 1.0, "size": 4.0}
    found = replace(run, uncertainty=parts)
    silent = rows_of(abstention_table(found))["test"]
    assert texts(silent)[1:3] == ["0.0 %", "n/a"]
    assert silent[2].note == "no image is answered"
    every, second, *_ = rows_of(conformal_table(found)).values()
    assert every[2].note == "every class: says nothing"
    assert (every[0].note, second[0].note) == (
        "like the held-out images",
        "shift: nothing is promised",
    )
    assert uncovered_words(found) is None
    parts["conformal"]["per_class"] = {"evals": {}, "uncovered": ["class 000"]}
    uncovered = uncovered_words(found)
    assert uncovered is not None
    assert "would say nothing for 1 of 4 classes: class 000." in uncovered.words
    table = conformal_table(found)
    assert table is not None
    assert table.groups == (("", 1), ("one threshold for all", 4))
    parts["conformal"]["global"]["evals"] = {}
    assert conformal_table(found) is None
    assert uncovered_words(found) is None
    assert why_no_sets(found).startswith("40 held-out images are too few for a level of 90 %")


def test_the_ways_to_make_sets_stand_side_by_side(run: RunRecord) -> None:
    table, parts = set_scores_table(run), stored(run, "uncertainty")["conformal"]["scores"]
    assert table is not None
    assert table.groups == (("", 1), ("LAC", 2), ("APS", 2))
    for name, row in rows_of(table).items():
        expected = []
        for score in ("lac", "aps"):
            found = parts[score][name]
            expected += [percent(found["coverage"]), f"{found['size']:.2f}"]
        assert texts(row)[1:] == expected


def test_no_column_of_empty_sets_where_none_can_be(run: RunRecord) -> None:
    parts = stored(run, "uncertainty")
    parts["conformal"]["empty"] = False
    table = conformal_table(replace(run, uncertainty=parts))
    assert table is not None
    assert "empty" not in table.header
    assert "empty" not in table.legend


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.7, "too sure"), (0.6, "not sure enough"), (1.0, "left as they are"), (None, "is n/a")],
)
def test_temperature_in_words(run: RunRecord, value: float | None, words: str) -> None:
    text = temperature_words(changed(run, "uncertainty", temperature=value))
    assert text is not None
    assert words in text.words
