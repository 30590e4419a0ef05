"""Worst class, gained and lost."""

from adapt.report.front.classes import (
    changed_words,
    classes_changed,
    gained_and_lost,
    label_precisions,
    worst_class,
    worst_words,
)
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import changed, make_scores, record, stored

ROWS = [
    {"eval": "test", "class": name, "n": str(n), "model": model, "recall": str(recall)}
    for name, n, before, after in (
        ("cat", 10, 0.5, 0.4), ("dog", 20, 0.6, 0.4), ("fox", 9, 0.1, 0.9), ("owl", 5, 0.7, 0.7),
    )
    for model, recall in (("zero_shot", before), ("ensemble", after))
]  # fmt: skip


def test_the_worst_class_is_the_lowest_recall_of_most_images() -> None:
    pairs = [
        {"eval": "test", "true": "dog", "predicted": other, "count": str(count)}
        for other, count in (("dog", 8), ("cat", 3), ("fox", 9))
    ]
    run = record(make_scores(1), per_class=ROWS, confusion=pairs)
    assert worst_class(run) == ("dog", 20, 0.6, 0.4)
    assert worst_words(run) == "dog, 20 images, zero-shot 60.0 %; 9 taken for fox"
    assert classes_changed(run) == (1, 2, 1)
    assert worst_class(record(make_scores(1))) is None
    assert worst_words(record(make_scores(1))) == ""
    assert classes_changed(record(make_scores(1))) is None


def test_images_are_counted_not_estimated(run: RunRecord) -> None:
    flips = {
        "test": {"n": 441, "gained": 49 / 441, "lost": 16 / 441},
        "a": {"n": 100, "gained": 0.03, "lost": 0.0},
        "b": {"n": 50, "gained": 0.02, "lost": 0.1},
    }
    scores = stored(run, "scores")
    scores["data"]["evals"] = {name: {"n": flips[name]["n"]} for name in flips}
    scores["models"] = {
        model: {name: {"accuracy": 0.5} for name in flips} for model in ("zero_shot", "ensemble")
    }
    own = changed(run, "scores", **scores)
    own = changed(own, "robustness", flips=flips)
    assert gained_and_lost(own, "test") == (49, 16, 441)
    assert gained_and_lost(own, "nowhere") is None
    assert changed_words(own).startswith("on the shifts +4 \u22125 of 150; classes: ")


def test_average_precision_stands_for_recall_with_several_labels() -> None:
    rows = [
        {"eval": "test", "class": "cat", "n": "4", "model": model, "average_precision": value}
        for model, value in (("zero_shot", "0.25"), ("ensemble", "0.5"))
    ]
    none = {"eval": "test", "class": "fox", "n": "0", "average_precision": ""}
    rows.append(none | {"model": "ensemble"})
    run = record(make_scores(1) | {"measure": "mAP"}, per_class=rows)
    assert label_precisions(run) == [("cat", 4, 0.25, 0.5)]
    assert worst_class(run) == ("cat", 4, 0.25, 0.5)
    assert classes_changed(run) == (1, 0, 0)
