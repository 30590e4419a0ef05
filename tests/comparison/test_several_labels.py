"""Two models that give several labels per image, on the same images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, f1_score

from adapt.comparison import compare
from adapt.comparison.answers import PairedSet, Said
from adapt.comparison.data import TableForm
from adapt.comparison.several_labels import label_measures
from adapt.data.labels.label_sets import LabelColumns
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, RecipeError
from adapt.models.classifier import Classifier
from adapt.models.prediction.labelling import SeveralLabels
from tests.helpers.tiny import CLASSES, moved

NAMES = ["ant", "bee", "cow"]


def images_of(marks: np.ndarray, names: list[str] = NAMES) -> ImageList:
    """Images that are not there, with these labels."""
    sets = [tuple(name for name, own in zip(names, row, strict=True) if own) for row in marks]
    count = range(len(marks))
    paths, joined = [f"/no/{row}.png" for row in count], ["|".join(own) for own in sets]
    return ImageList(paths, joined, None, None, "/no", {}, label_sets=sets)


def paired(images: int = 90) -> tuple[PairedSet, np.ndarray]:
    """A weak and a stronger model; the hashes are made up."""
    random = np.random.default_rng(0)
    marks = random.random((images, 3)) < [0.5, 0.3, 0.1]

    def said(strength: float) -> Said:
        odds = 1 / (1 + np.exp(-(random.normal(size=marks.shape) + strength * (2 * marks - 1))))
        return Said(NAMES, odds, sets=odds >= 0.5)

    hashes = [f"{row:064x}" for row in range(images)]
    return PairedSet("test", images_of(marks), said(0.2), said(1.5), hashes), marks


@pytest.mark.numerical
def test_scores_and_their_bootstrap_by_hand() -> None:
    pair, marks = paired()
    told = label_measures(pair, NAMES)
    odds = [pair.a.probabilities, pair.b.probabilities]
    maps = [average_precision_score(marks, own, average="macro") for own in odds]
    assert [told["mAP"][side] for side in "ab"] == pytest.approx(maps)
    for key, kind in (("f1_micro", "micro"), ("f1_macro", "macro")):
        scores = [f1_score(marks, own >= 0.5, average=kind) for own in odds]
        assert [told[key][side] for side in "ab"] == pytest.approx(scores)
    # the interval of the difference: both models on the same resampled images
    random, gains, decided = np.random.default_rng(1), [], []
    for _ in range(300):
        rows = random.integers(0, len(marks), len(marks))
        drawn = [average_precision_score(marks[rows], own[rows]) for own in odds]
        gains.append(drawn[1] - drawn[0])
        micro = [f1_score(marks[rows], own[rows] >= 0.5, average="micro") for own in odds]
        decided.append(micro[1] - micro[0])
    low, high = told["mAP"]["ci"]
    assert high - low == pytest.approx(np.ptp(np.quantile(gains, [0.025, 0.975])), rel=0.2)
    assert low < told["mAP"]["difference"] < high
    bounds = np.quantile(decided, [0.025, 0.975])
    assert told["f1_micro"]["ci"] == pytest.approx(bounds, abs=0.03)


@pytest.mark.numerical
def test_classes_and_flips_by_hand() -> None:
    pair, marks = paired()
    told = label_measures(pair, NAMES)
    given = [pair.a.probabilities >= 0.5, pair.b.probabilities >= 0.5]
    for row in told["per_class"]:
        k = NAMES.index(row["name"])
        a, b = (
            average_precision_score(marks[:, k], own.probabilities[:, k])
            for own in (pair.a, pair.b)
        )
        assert (row["a"], row["b"], row["n"]) == (
            pytest.approx(a),
            pytest.approx(b),
            marks[:, k].sum(),
        )
        assert row["ci"][0] <= row["difference"] <= row["ci"][1]
        right = [own[:, k] == marks[:, k] for own in given]
        fixed, broken = int((~right[0] & right[1]).sum()), int((right[0] & ~right[1]).sum())
        assert (row["fixed"], row["broken"]) == (fixed, broken)
        assert row["p"] == pytest.approx(binomtest(fixed, fixed + broken).pvalue)
        assert row["p_holm"] >= row["p"]
    changes = [row["difference"] for row in told["per_class"]]
    assert changes == sorted(changes)
    other = [row for row in range(len(marks)) if (given[0][row] != given[1][row]).any()]
    assert sorted(flip["row"] for flip in told["flips"]) == other
    assert sum(told["images"][kind] for kind in ("fixed", "broken", "changed")) == len(other)
    for flip in told["flips"]:
        row = flip["row"]
        true = {name for name, own in zip(NAMES, marks[row], strict=True) if own}
        a, b = (set(filter(None, flip[side]["label"].split("|"))) for side in "ab")
        assert set(filter(None, flip["true"].split("|"))) == true
        assert len(b ^ true) - len(a ^ true) == len(flip["lost"]) - len(flip["gained"])
        assert set(flip["gained"]) | set(flip["lost"]) == a ^ b
        sign = len(a ^ true) - len(b ^ true)
        assert flip["kind"] == ("fixed" if sign > 0 else "broken" if sign < 0 else "changed")


def test_a_class_of_one_model_is_left_out() -> None:
    pair, _ = paired()
    more = Said(
        [*NAMES, "dog"], np.c_[pair.b.probabilities, np.zeros(90)], sets=np.zeros((90, 4)) > 0
    )
    told = label_measures(replace(pair, b=more), NAMES)
    assert sorted(row["name"] for row in told["per_class"]) == NAMES
    with pytest.raises(DataError, match="unknown class"):
        label_measures(
            replace(pair, images=images_of(np.ones((90, 3)), ["ant", "bee", "fly"])), NAMES
        )
    none = images_of(np.zeros((90, 3)))
    with pytest.raises(DataError, match="no label"):
        label_measures(replace(pair, images=none), NAMES)


@pytest.fixture
def table(toy_test: ImageList, tmp_path: Path) -> Path:
    """Drawings with two labels, one, or none."""
    rows = [
        f"{path},{('', label, f'{label}|{CLASSES[0]}')[row % 3]}"
        for row, (path, label) in enumerate(zip(toy_test.paths, toy_test.labels, strict=True))
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["path,labels", *rows]), encoding="utf-8")
    return tmp_path / "labels.csv"


def several(model: Classifier) -> Classifier:
    """A model that decides on each class by itself."""
    return model.with_labelling(SeveralLabels([[f"no {name}"] for name in model.class_names]))


def test_models_are_compared_as_they_predict(
    start: Classifier, table: Path, toy_test: ImageList, tmp_path: Path
) -> None:
    models = several(start), several(moved(start, 3, 0.3))
    form = TableForm(toy_test.root, LabelColumns("|"))
    limits = ["mAP < -100", "broken >= 0%"]
    done = compare(*models, table, ["fog=fog:2"], limits, False, None, form)
    content = done.content
    assert content["measure"] == "mAP"
    assert [limit["failed"] for limit in content["limits"]] == [False, True]
    paths = [str(path) for path in toy_test.paths]
    said = [[answer.label for answer in model.predict(paths)] for model in models]
    changed = sum(a != b for a, b in zip(*said, strict=True))
    own = content["sets"][content["main"]]
    assert len(own["flips"]) == changed
    assert content["shift_mean"]["shifts"] == 1
    page = done.write(tmp_path / "out").read_text(encoding="utf-8")
    assert "mAP on labels" in page
    assert json.loads((tmp_path / "out" / "diff.json").read_text()) == content
    assert "mAP" in done.write_comment(tmp_path / "comment.md").read_text(encoding="utf-8")


def test_what_does_not_go_together(start: Classifier, table: Path, toy_test: ImageList) -> None:
    form = TableForm(toy_test.root, LabelColumns("|"))
    with pytest.raises(RecipeError, match="A: several, B: one"):
        compare(several(start), start, table, table=form, latency=False)
    with pytest.raises(RecipeError, match="test: one"):
        compare(several(start), several(start), toy_test, latency=False)
    with pytest.raises(RecipeError, match="no such quantity - 'accuracy'"):
        compare(several(start), several(start), table, (), ["accuracy < 0"], False, None, form)
