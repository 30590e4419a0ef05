"""Tables of a run with several labels, from its files alone."""

from pathlib import Path

from adapt.report.record.read import RunRecord
from adapt.report.record.scores import ScoreTable
from adapt.report.sections import LABEL_SECTIONS
from adapt.report.tables.rules import rules_table
from adapt.report.tables.scores import ladder_table
from adapt.report.tables.several_labels.label_scores import (
    decision_words,
    f1_table,
    label_class_table,
    label_table,
    likelihood_table,
)

ROW = {
    "n": 9, "mAP": 0.5, "mAP_ci": [0.4, 0.6], "f1_micro": 0.3, "f1_micro_ci": [0.2, 0.4],
    "f1_macro": 0.25, "f1_macro_ci": [0.2, 0.3], "nll": 0.4, "nll_ci": [0.3, 0.5],
    "brier": 0.1, "brier_ci": [0.05, 0.15],
}  # fmt: skip
BETTER = ROW | {"mAP": 0.7, "difference": {"mAP": {"difference": 0.2, "ci": [0.1, 0.3]}}}
SCORES = {
    "measure": "mAP",
    "classes": ["cat"],
    "shipped": "ensemble",
    "models": {
        "chance": {"test": {"n": 9, "mAP": 0.1}},
        "zero_shot": {"test": ROW},
        "ensemble": {"test": BETTER},
    },
    "decision": {"temperature": 2.0, "own_thresholds": 1},
}
RATIOS = {"precision": "0.5", "recall": "0.25", "f1": "0.333", "threshold": "0.3"}
CLASS = {"eval": "test", "class": "cat", "n": "4", **RATIOS}
RUN = RunRecord(
    Path(),
    ScoreTable(SCORES),
    per_class=[
        {"model": "zero_shot", "average_precision": "0.1", **CLASS},
        {"model": "ensemble", "average_precision": "", **CLASS},
    ],
)


def test_map_with_its_change() -> None:
    _, chance, zero_shot, shipped = label_table(RUN).rows[0]
    assert (chance.text, chance.change) == ("10.0 %", "")
    assert (zero_shot.text, zero_shot.note) == ("50.0 %", "40.0 to 60.0")
    assert (shipped.text, shipped.change, shipped.tone) == ("70.0 %", "▲ +20.0", "better")


def test_the_page_speaks_of_map() -> None:
    """Chance gains nothing over zero-shot; rules that see val see mAP there; no gallery."""
    changes = {row[0].text: row[1].change for row in ladder_table(RUN).rows}
    assert changes["chance"] == ""
    curve = {"rule": "val", "rules": {"val": {"alpha": 1.0, "why": "The best accuracy on val"}}}
    table = rules_table(RunRecord(Path(), ScoreTable(SCORES), curve=curve))
    assert table is not None
    assert table.rows[0][0].note == "The best mAP on val"
    assert "mistakes" not in [section.id for section in LABEL_SECTIONS]


def test_f1_and_probabilities() -> None:
    micro, macro = f1_table(RUN).rows
    assert [cell.text for cell in micro] == ["test", "F1 micro", "30.0 %", "30.0 %"]
    assert macro[2].note == "20.0 % to 30.0 %"
    assert [row[2].text for row in likelihood_table(RUN).rows] == ["0.400", "0.100"]


def test_classes_and_how_they_are_decided() -> None:
    table, words = label_class_table(RUN), decision_words(RUN)
    assert table is not None
    assert words is not None
    texts = [cell.text for cell in table.rows[0]]
    assert texts == ["cat", "4", "10.0 %", "n/a", "50.0 %", "25.0 %", "33.3 %", "0.300"]
    assert "1 of 1 classes have a threshold of their own" in words.words
    empty = RunRecord(Path(), ScoreTable({"models": {}, "measure": "mAP"}))
    assert decision_words(empty) is None
    assert label_class_table(empty) is None
