"""Recall and confusions against counts made here."""

from collections import Counter

from adapt.report.record.classes import class_recalls, confused_pairs, confusion_counts
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import make_scores, record

ROWS = [
    {"eval": "test", "true": "cat", "predicted": "dog", "count": "2"},
    {"eval": "test", "true": "dog", "predicted": "dog", "count": "7"},
    {"eval": "domain_0", "true": "dog", "predicted": "cat", "count": "9"},
    {"eval": "test", "true": "dog", "predicted": "cat", "count": "2"},
    {"eval": "test", "true": "fox", "predicted": "cat", "count": "3"},
    {"eval": "test", "true": "fox", "predicted": "dog", "count": ""},
]


def test_pairs_are_those_of_the_test_set_most_frequent_first() -> None:
    run = record(make_scores(), confusion=ROWS)
    assert confused_pairs(run) == [("fox", "cat", 3), ("cat", "dog", 2), ("dog", "cat", 2)]
    assert confusion_counts(run)["dog", "dog"] == 7
    assert ("fox", "dog") not in confusion_counts(run)


def test_counts_add_up_to_all_rows(run: RunRecord) -> None:
    rows = run.confusion or []
    assert confusion_counts(run).total() == sum(int(row["count"]) for row in rows)
    wrong = Counter(row["true"] for row in rows if row["true"] != row["predicted"])
    assert {true for true, _, _ in confused_pairs(run)} == set(wrong)


def test_recalls_need_both_models() -> None:
    rows = [
        {"model": model, "eval": "test", "class": name, "n": "5", "recall": recall}
        for model, name, recall in (
            ("zero_shot", "cat", "0.5"), ("ensemble", "cat", "0.75"), ("ensemble", "dog", "1.0"),
            ("adapted", "dog", "0.9"),
        )
    ]  # fmt: skip
    assert class_recalls(record(make_scores(), per_class=rows)) == [("cat", 5, 0.5, 0.75)]
