"""Thresholds travel with the model, are honoured by `predict`, and cannot be tampered with."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.errors import BundleError, DataError
from adapt.models.bundle.manifest import MANIFEST
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty
from tests.helpers.predicted import predicted
from tests.helpers.tiny import bit_equal, tiny_classifier, weights

FULL = Uncertainty(
    0.6, 0.9, 0.8, 0.7, (0.7, 0.25, 1.0), unknown_detector="energy", unknown_threshold=3.5
)
ABSTAIN = Uncertainty(abstain_below=0.6, abstain_coverage=0.9)
SETS = Uncertainty(conformal_level=0.8, conformal_threshold=0.7)
UNKNOWN = Uncertainty(unknown_detector="msp", unknown_threshold=0.5)


def softmax(logits: list[float], temperature: float) -> np.ndarray:
    raised = np.exp(np.array(logits) / temperature)
    return raised / raised.sum()


@pytest.fixture
def classifier() -> Classifier:
    return tiny_classifier(names=["cat", "dog", "=owl"]).with_temperature(2.0)


@pytest.fixture
def answers(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Predictions for given logits: the classifier sees grey images and says what it is told."""

    def predict(rows: list[list[float]], uncertainty: Uncertainty | None) -> list[Prediction]:
        told = classifier.with_uncertainty(uncertainty)
        table = torch.tensor(rows)
        seen = [0]

        def features(_: Classifier, pixels: torch.Tensor) -> torch.Tensor:
            seen[0] += len(pixels)
            return table[seen[0] - len(pixels) : seen[0]]

        monkeypatch.setattr(Classifier, "features", features)
        told.head = linear_head(torch.eye(3))
        grey = np.full((8, 8, 3), 128, np.uint8)
        return told.predict([grey] * len(rows), batch_size=2)

    return predict


ROWS = [[4.0, 0.0, 0.0], [1.0, 1.5, 0.0], [0.0, 0.0, 0.2], [-6.0, -9.0, -2.0], [2.0, 0.0, 1.0]]


def test_abstention_by_hand(answers: Callable[..., list[Prediction]]) -> None:
    found = answers(ROWS, ABSTAIN)
    confidences = [softmax(row, 2.0).max() for row in ROWS]
    assert [one.confidence for one in found] == pytest.approx(confidences)
    assert [one.abstained for one in found] == [value < 0.6 for value in confidences]
    assert [one.abstained for one in found] == [False, True, True, False, True]
    assert [one.label for one in found] == ["cat", "dog", "=owl", "=owl", "cat"]
    assert all(one.labels == () and not one.unknown for one in found)


def test_a_confidence_at_the_threshold_is_answered(answers: Callable[..., Any]) -> None:
    exact = answers([[1.0, 1.5, 0.0]], None)[0].confidence
    at, above = (
        answers([[1.0, 1.5, 0.0]], Uncertainty(abstain_below=value, abstain_coverage=0.5))[0]
        for value in (exact, np.nextafter(exact, 1))
    )
    assert (at.abstained, above.abstained) == (False, True)


@pytest.mark.parametrize(
    ("uncertainty", "thresholds"),
    [
        (SETS, [0.7, 0.7, 0.7]),
        (replace(SETS, conformal_threshold=0.66), [0.66, 0.66, 0.66]),
        (replace(SETS, conformal_per_class=(0.7, 0.4, 0.9)), [0.7, 0.4, 0.9]),
    ],
)
def test_sets_by_hand(
    uncertainty: Uncertainty, thresholds: list[float], answers: Callable[..., Any]
) -> None:
    names, sizes = ["cat", "dog", "=owl"], []
    for row, one in zip(ROWS, answers(ROWS, uncertainty), strict=True):
        shares = softmax(row, 2.0)
        chosen = [k for k in range(3) if 1 - shares[k] <= thresholds[k]] or [shares.argmax()]
        assert set(one.labels) == {names[k] for k in chosen}
        held = [shares[names.index(label)] for label in one.labels]
        assert held == sorted(held, reverse=True), "most probable first"
        assert not one.abstained
        sizes.append(len(one.labels))
    assert len(set(sizes)) > 1


@pytest.mark.parametrize("randomised", [False, True])
@pytest.mark.parametrize("score", ["aps", "raps"])
def test_adaptive_sets_by_hand(score: str, randomised: bool, answers: Callable[..., Any]) -> None:
    penalty, free = (0.05, 1) if score == "raps" else (0.0, 0)
    stored = replace(
        SETS, conformal_score=score, conformal_randomised=randomised,
        conformal_penalty=penalty, conformal_free_ranks=free,
    )  # fmt: skip
    names, sizes = ["cat", "dog", "=owl"], set()
    for row, one in zip(ROWS, answers(ROWS, stored), strict=True):
        shares = softmax(row, 2.0)
        draw = (1000 * np.float32(max(row))) % 1 if randomised else 0.0
        kept = []
        for rank, k in enumerate(sorted(range(3), key=lambda k: -shares[k]), start=1):
            above = sum(shares[j] for j in sorted(range(3), key=lambda j: -shares[j])[: rank - 1])
            if above + draw * shares[k] + penalty * max(0, rank - free) <= 0.7:
                kept.append(names[k])
        assert list(one.labels) == (kept or [names[int(shares.argmax())]])
        sizes.add(len(one.labels))
    assert len(sizes) > 1


def test_empty_sets_only_when_asked(answers: Callable[..., Any]) -> None:
    low = replace(SETS, conformal_threshold=0.0)
    assert [len(one.labels) for one in answers(ROWS, low)] == [1] * 5
    assert [len(one.labels) for one in answers(ROWS, replace(low, conformal_empty=True))] == [0] * 5


def test_unknown_by_hand(answers: Callable[..., list[Prediction]]) -> None:
    by_msp = answers(ROWS, UNKNOWN)
    assert [one.unknown for one in by_msp] == [softmax(row, 2.0).max() < 0.5 for row in ROWS]
    energies = [2.0 * np.log(np.exp(np.array(row) / 2.0).sum()) for row in ROWS]
    by_energy = answers(ROWS, Uncertainty(unknown_detector="energy", unknown_threshold=0.0))
    assert [one.unknown for one in by_energy] == [value < 0 for value in energies]
    assert [one.unknown for one in by_energy] == [False, False, False, True, False]
    assert [one.unknown for one in by_msp] != [one.unknown for one in by_energy]


def test_nothing_stored_changes_nothing(answers: Callable[..., list[Prediction]]) -> None:
    plain = answers(ROWS, None)
    assert all((one.abstained, one.labels, one.unknown) == (False, (), False) for one in plain)
    assert answers(ROWS, Uncertainty()) == plain
    full = answers(ROWS, FULL)
    for one, other in zip(plain, full, strict=True):
        assert replace(other, abstained=False, labels=(), unknown=False) == one


def test_unreadable_inputs_get_no_verdict(classifier: Classifier, tmp_path: Path) -> None:
    everything = Uncertainty(1.0, 0.9, 0.8, 1.0, unknown_detector="energy", unknown_threshold=1e9)
    told = classifier.with_uncertainty(everything)
    grey = np.full((8, 8, 3), 128, np.uint8)
    bad, good = told.predict([tmp_path / "gone.png", grey])
    assert (bad.abstained, bad.labels, bad.unknown) == (False, (), False)
    assert (good.abstained, len(good.labels), good.unknown) == (True, 3, True)


def test_copies_keep_it_and_share_weights(classifier: Classifier) -> None:
    told = classifier.with_uncertainty(FULL)
    assert classifier.uncertainty is None
    assert told.head.weight is classifier.head.weight
    assert told.temperature == 2.0
    assert told.clone().uncertainty == FULL
    assert told.with_temperature(1.0).uncertainty == FULL
    assert told.with_uncertainty(None).uncertainty is None
    with pytest.raises(DataError, match="not one per class - 2 - give 3 numbers"):
        classifier.with_uncertainty(replace(FULL, conformal_per_class=(0.1, 0.2)))


RAPS = replace(SETS, conformal_score="raps", conformal_randomised=True, conformal_empty=True,
               conformal_penalty=0.2, conformal_free_ranks=1, conformal_threshold=1.3)  # fmt: skip


@pytest.mark.parametrize("uncertainty", [FULL, ABSTAIN, SETS, RAPS, UNKNOWN, Uncertainty(), None])
def test_bundle_round_trip(
    uncertainty: Uncertainty | None, classifier: Classifier, tmp_path: Path
) -> None:
    told = classifier.with_uncertainty(uncertainty)
    again = Classifier.load(told.save(tmp_path / "model"))
    assert again.uncertainty == uncertainty
    assert bit_equal(weights(told), weights(again))
    manifest = json.loads((tmp_path / "model" / MANIFEST).read_text())
    assert ("uncertainty" in manifest) == (uncertainty is not None)
    assert manifest["format"] == 2  # the oldest that knows it
    grey = [np.full((8, 8, 3), value, np.uint8) for value in (0, 90, 250)]
    assert again.predict(grey) == told.predict(grey)


def test_json_holds_plain_values() -> None:
    assert FULL.to_dict() == {
        "abstain_below": 0.6,
        "abstain_coverage": 0.9,
        "conformal_level": 0.8,
        "conformal_threshold": 0.7,
        "conformal_per_class": [0.7, 0.25, 1.0],
        "conformal_score": "lac",
        "conformal_randomised": False,
        "conformal_empty": False,
        "conformal_penalty": 0.0,
        "conformal_free_ranks": 0,
        "unknown_detector": "energy",
        "unknown_threshold": 3.5,
    }


SHARE = st.floats(0, 1)
INNER = st.floats(0, 1, exclude_min=True, exclude_max=True)


@settings(max_examples=100, deadline=None)
@given(
    st.none() | st.tuples(SHARE, INNER),
    st.none() | st.tuples(INNER, SHARE, st.none() | st.lists(SHARE, min_size=3, max_size=3)),
    st.none() | st.tuples(st.just("energy"), st.floats(-1e6, 1e6)),
)
def test_json_round_trip(abstain: Any, conformal: Any, unknown: Any) -> None:
    detector, threshold = unknown or (None, None)
    first = Uncertainty(
        *(abstain or (None,) * 2),
        *(conformal or (None,) * 3),
        unknown_detector=detector,
        unknown_threshold=threshold,
    )
    again = Uncertainty.from_dict(json.loads(json.dumps(first.to_dict())), classes=3)
    assert again == first
    assert hash(again) == hash(first)


def test_whole_numbers_become_floats() -> None:
    content = replace(SETS, conformal_threshold=1.0).to_dict() | {"conformal_threshold": 1}
    assert isinstance(Uncertainty.from_dict(content, 3).conformal_threshold, float)


WRONG: list[tuple[Any, str]] = [
    ([], "uncertainty - not a mapping - list"),
    ({"abstain_belo": 0.1}, "abstain_belo - not known - 0.1 - remove it, did you mean 'abstain_be"),
    ({"abstain_below": float("nan")}, "abstain_below - not a finite number - nan"),
    ({"abstain_below": "0.5"}, "abstain_below - not a finite number - '0.5'"),
    ({"abstain_below": True}, "abstain_below - not a finite number - True"),
    ({"unknown_threshold": float("inf")}, "unknown_threshold - not a finite number - inf"),
    ({"unknown_threshold": 10**400}, "unknown_threshold - not a finite number - 1000"),
    ({"abstain_below": 1.1}, "abstain_below - out of range - 1.1"),
    ({"abstain_below": None}, "abstain_below - missing - None - give both"),
    ({"abstain_coverage": 0}, "abstain_coverage - out of range - 0.0"),
    ({"conformal_level": 1}, "conformal_level - out of range - 1.0"),
    ({"conformal_level": None}, "conformal_level - missing"),
    ({"conformal_threshold": -0.1}, "conformal_threshold - out of range"),
    ({"conformal_threshold": None, "conformal_level": None}, "conformal_threshold - missing"),
    ({"conformal_per_class": [0.1, 0.2]}, "conformal_per_class - not one per class - 2 - give 3"),
    ({"conformal_per_class": []}, "conformal_per_class - not one per class - 0 - give 3"),
    ({"conformal_per_class": 0.5}, "conformal_per_class - not a list - 0.5"),
    ({"conformal_per_class": [0.1, float("nan"), 0.2]}, "conformal_per_class - not a finite num"),
    ({"conformal_per_class": [0.1, 1.2, 0.2]}, "conformal_per_class - above every score - 1.2"),
    ({"conformal_threshold": 1.01}, "conformal_threshold - above every score - 1.01 - give 1 at"),
    (
        {"conformal_score": "apx"},
        "conformal score - not known - 'apx' - choose one of lac, a",
    ),
    ({"conformal_score": None}, "conformal_score - not a name - None"),
    ({"conformal_randomised": 1}, "conformal_randomised - not true or false - 1"),
    ({"conformal_empty": "no"}, "conformal_empty - not true or false - 'no'"),
    ({"conformal_penalty": 0.1}, "conformal_penalty - without raps - 0.1"),
    ({"conformal_penalty": float("inf")}, "conformal_penalty - not a finite number - inf"),
    ({"conformal_penalty": 10**400}, "conformal_penalty - not a finite number"),
    ({"conformal_score": "raps", "conformal_free_ranks": -1}, "conformal penalty - out of range"),
    ({"conformal_free_ranks": True}, "conformal_free_ranks - not a whole number - True"),
    ({"unknown_detector": "mps"}, "unknown_detector - not known - 'mps' - choose one of msp, ener"),
    ({"unknown_detector": ["msp"]}, "unknown_detector - not known"),
    ({"unknown_detector": None}, "unknown_detector - missing"),
    ({"unknown_detector": "msp"}, "unknown_threshold - out of range - 3.5"),
]


@pytest.mark.parametrize(("change", "expected"), WRONG)
def test_tampered_bundles_are_refused(change: Any, expected: str, tmp_path: Path) -> None:
    content = FULL.to_dict() | change if isinstance(change, dict) else change
    with pytest.raises(DataError) as direct:
        Uncertainty.from_dict(content, classes=3)
    assert str(direct.value).startswith("uncertainty")
    assert expected in str(direct.value)
    folder = tiny_classifier().with_uncertainty(FULL).save(tmp_path / "model")
    manifest = json.loads((folder / MANIFEST).read_text()) | {"uncertainty": content}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"altered|damaged|not JSON"):
        Classifier.load(folder)


@pytest.mark.parametrize("key", sorted(FULL.to_dict()))
def test_a_lost_key_is_refused(key: str) -> None:
    content = FULL.to_dict()
    del content[key]
    with pytest.raises(DataError, match=f"uncertainty.{key} - missing"):
        Uncertainty.from_dict(content, classes=3)


@pytest.mark.parametrize(
    ("uncertainty", "columns"),
    [
        (None, []),
        (Uncertainty(), []),
        (ABSTAIN, ["abstained"]),
        (SETS, ["set"]),
        (UNKNOWN, ["unknown"]),
        (FULL, ["abstained", "set", "unknown"]),
    ],
)
def test_columns_of_the_table(
    uncertainty: Uncertainty | None, columns: list[str], classifier: Classifier, toy_root: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    told = classifier.with_uncertainty(uncertainty)
    source = tmp_path / "in.csv"
    first, second = sorted((toy_root / "test").rglob("*.png"))[:2]
    source.write_text(f"path\n{first}\ngone.png\n{second}\n")
    written = predicted(told, source, tmp_path / "out.csv")
    assert (written.images, written.errors) == (3, {"no such file": 1})
    with written.path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "confidence", "top5", "error", "reason", *columns]
    assert [rows[1][name] for name in columns] == [""] * len(columns)
    for row, path in ((rows[0], first), (rows[2], second)):
        (expected,) = told.predict([path])
        shown = "; ".join(expected.labels)
        cells = {
            "abstained": "true" if expected.abstained else "false",
            "set": f"'{shown}" if shown.startswith("=") else shown,
            "unknown": "true" if expected.unknown else "false",
        }
        assert {name: row[name] for name in columns} == {name: cells[name] for name in columns}


def test_no_set_is_a_formula(toy_root: Path, tmp_path: Path) -> None:
    told = tiny_classifier(names=["=a", "+b", "@c"]).with_uncertainty(FULL)
    written = predicted(told, toy_root / "test", tmp_path / "out.csv")
    with written.path.open(newline="", encoding="utf-8") as file:
        cells = [row["set"] for row in csv.DictReader(file)]
    assert any(cells)
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


def test_table_says_true_and_false(classifier: Classifier, toy_root: Path, tmp_path: Path) -> None:
    found = {}
    for below in (0.0, 1.0):
        stored = Uncertainty(
            below, 0.9, 0.8, below, conformal_empty=True,
            unknown_detector="msp", unknown_threshold=below,
        )  # fmt: skip
        told = classifier.with_uncertainty(stored)
        written = predicted(told, toy_root / "test", tmp_path / "out.csv", overwrite=True)
        with written.path.open(newline="", encoding="utf-8") as file:
            rows = [tuple(row.values())[6:] for row in csv.DictReader(file)]
        found[below] = rows
    assert set(found[0.0]) == {("false", "", "false")}
    assert {(a, len(s.split("; ")), u) for a, s, u in found[1.0]} == {("true", 3, "true")}
