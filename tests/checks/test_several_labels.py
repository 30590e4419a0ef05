"""A check of images with several labels: copies, leaks, doubted, missing and redundant labels."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from adapt.checks.check import check
from adapt.checks.findings.copies import Copies
from adapt.checks.findings.finding import Place
from adapt.checks.findings.measure import Picture
from adapt.checks.model import View
from adapt.checks.several_labels import doubted_labels, label_set_findings
from adapt.data.labels.classes import ClassName
from adapt.data.labels.label_sets import LabelColumns
from adapt.data.sources.tables import from_table
from adapt.errors import DataError, RecipeError
from tests.helpers.planted import draw

NAMES = ["ant", "bee", "cow", "dog"]
MISTAKES = [(3, 0), (3, 1), (20, 0), (33, 0), (50, 2), (90, 3)]


def view_of(marks: np.ndarray, features: np.ndarray | None = None) -> View:
    """Images with these labels, each a content of its own."""
    places = [
        Place("train", f"{row}.png", "|".join(np.array(NAMES)[own]))
        for row, own in enumerate(marks)
    ]
    pictures = [Picture(f"{row:064x}") for row in range(len(marks))]
    none = Copies(np.arange(len(marks)), np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
    classes = {name: ClassName(name, name) for name in NAMES}
    return View(places, pictures, features, none, classes, "labels.csv", True)


def planted(images: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features that say each label, the labels, and the same with planted mistakes."""
    random = np.random.default_rng(0)
    true = random.random((images, 4)) < 0.4
    features = np.concatenate([2.0 * true - 1, 0.1 * random.normal(size=(images, 6))], axis=1)
    features += 0.05 * random.normal(size=features.shape)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    wrong = np.zeros_like(true)
    for row, label in MISTAKES:
        wrong[row, label] = True
    return features.astype(np.float32), true, true ^ wrong


@pytest.mark.numerical
def test_planted_mistakes_are_doubted_and_nothing_else() -> None:
    features, true, given = planted()
    view = view_of(given, features)
    assert view.marks.tolist() == given.tolist()
    doubted, unseen = doubted_labels(view, view.marks)
    assert not unseen
    found = {(row, label) for row, own in doubted.items() for label in own}
    assert found <= set(MISTAKES)
    assert len(found) >= 5
    # the same by scikit-learn: out of fold, these are the least likely of all decisions
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    odds = np.stack(
        [
            cross_val_predict(
                LogisticRegression(C=10), features, own, cv=folds, method="predict_proba"
            )[:, 1]
            for own in given.T
        ],
        axis=1,
    )
    likely = np.where(given, odds, 1 - odds)
    least = np.argsort(likely, axis=None)[: len(MISTAKES)]
    assert sorted((int(i // 4), int(i % 4)) for i in least) == MISTAKES
    (finding,) = (own for own in label_set_findings(view) if own.kind == "suspected_label")
    by_path = dict(
        zip((own.path for (own,) in finding.places), finding.details["suggested"], strict=True)
    )
    for row in {row for row, _ in MISTAKES} - {row for row, _ in set(MISTAKES) - found}:
        assert by_path[f"{row}.png"] == "|".join(np.array(NAMES)[true[row]])
    assert finding.details["wrong"] + finding.details["missing"] == len(found)
    assert list(finding.values) == sorted(finding.values, reverse=True)


def test_a_label_that_features_do_not_show_is_not_doubted() -> None:
    features, true, _ = planted()
    blind = np.random.default_rng(3).random(len(true)) < 0.1
    marks = np.concatenate([true[:, :3], blind[:, None]], axis=1)
    told = {finding.kind: finding for finding in label_set_findings(view_of(marks, features))}
    assert told["unseen_label"].details == {"classes": ["dog"]}
    assert "suspected_label" not in told


def test_labels_that_say_the_same_and_that_say_nothing() -> None:
    random = np.random.default_rng(1)
    first = random.random(120) < 0.4
    within = first & (random.random(120) < 0.6)
    marks = np.stack([first, first, within, np.ones(120, bool)], axis=1)
    told = {finding.kind: finding for finding in label_set_findings(view_of(marks))}
    assert set(told) == {"always_together", "label_of_all"}
    together = told["always_together"]
    assert together.level == "warning"
    assert together.details["same"] == [["ant", "bee", int(first.sum())]]
    assert [own[:2] for own in together.details["within"]] == [["cow", "ant"], ["cow", "bee"]]
    assert told["label_of_all"].details == {"classes": ["dog"]}
    # by chance it would be less likely than one in a thousand, over all twelve pairs
    n = int(within.sum())
    assert 12 * binom.pmf(n, n, first.mean()) < 0.001


def test_what_may_be_chance_is_not_said() -> None:
    marks = np.zeros((20, 4), bool)
    marks[:6, 0] = True
    marks[:16, 1] = True  # six of six by chance: 0.8 ** 6
    marks[18, 2] = True
    (only,) = label_set_findings(view_of(marks))
    assert (only.kind, only.level, len(only.places)) == ("unlabelled", "note", 3)


def table(folder: Path) -> Path:
    """Drawings with a copy under other labels, a leak, and an image without labels."""
    rows = []
    for number in range(12):
        draw(folder / f"{number}.png", number)
        labels = ("cat|dog", "dog", "cat", "")[number % 4]
        rows.append((f"{number}.png", labels, "test" if number >= 8 else "train"))
    for name, number, labels, split in (
        ("again.png", 0, "cat", "train"),
        ("leak.png", 8, "cat|dog", "train"),
    ):
        draw(folder / name, number)
        rows.append((name, labels, split))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "labels", "split"), *rows])
    return folder / "labels.csv"


def test_a_table_with_several_labels(tmp_path: Path) -> None:
    done = check(table(tmp_path), model=None, labels=LabelColumns("|"), out=tmp_path / "out")
    places = {
        finding.kind: {place.path for own in finding.places for place in own}
        for finding in done.findings
    }
    assert places["conflicting_label"] == {"0.png", "again.png"}
    assert places["leak"] == {"8.png", "leak.png"}
    assert places["unlabelled"] == {"3.png", "7.png", "11.png"}
    assert done.content["classes"] == ["cat", "dog"]
    assert done.content["sets"]["train"] == {"images": 10, "readable": 10, "classes": 2}
    assert done.content["leak_free"] == {}
    fixes = " ".join(finding.fix for finding in done.findings)
    assert "shots" not in fixes
    assert (tmp_path / "out" / "check.html").stat().st_size > 0


def test_what_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path)
    with pytest.raises(DataError, match="separator"):
        check(path, model=None)
    with pytest.raises(RecipeError, match="not for several labels"):
        check(path, influence=True, labels=LabelColumns("|"))
    with pytest.raises(DataError, match="no table"):
        check(tmp_path, model=None, labels=LabelColumns("|"))
    one = from_table(path, separator="|")
    single = replace(one.subset(range(3)), labels=["cat"] * 3, label_sets=None)
    with pytest.raises(DataError, match="one label per image, and several"):
        check({"train": one, "test": single}, model=None)
