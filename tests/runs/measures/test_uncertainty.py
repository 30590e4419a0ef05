"""`uncertainty.json` from logits, against direct computations, and the same from the bundle."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from adapt.evaluation.metrics.calibration import expected_calibration_error
from adapt.evaluation.settings import UncertaintySettings
from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.runs.measures.uncertainty import Answers, Unknowns, set_rule, uncertainty_of
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import CLASSES, tiny_classifier

NAMES, T = ["cat", "dog", "owl"], 2.0


def outputs(images: int, seed: int, sharpness: float = T) -> Answers:
    generator = np.random.default_rng(seed)
    honest = generator.normal(size=(images, 3)) * 2
    cumulative = softmax(honest, axis=1).cumsum(axis=1)
    targets = (generator.random((images, 1)) > cumulative[:, :-1]).sum(axis=1)
    return Answers((honest * sharpness).astype(np.float32), targets)


def unknowns(detector: str = "energy", features: bool = True) -> Unknowns:
    generator = np.random.default_rng(9)
    parts = [generator.normal([2, 0, 0, 0], size=(n, 4)) for n in (40, 150, 30)]
    given = parts if features else [None] * 3
    strange = (generator.normal(size=(40, 3)) * 2).astype(np.float32)
    return Unknowns("strangers", strange, "test", detector, *given)


VAL, EVALS = outputs(200, 0), {"test": outputs(150, 1), "sketch": outputs(120, 2, 6.0)}


def test_every_number_by_hand() -> None:
    content, stored = uncertainty_of(
        VAL, EVALS, NAMES, T, UncertaintySettings(0.8, 0.7), unknowns()
    )
    val = softmax(VAL.logits.astype(float) / T, axis=1)
    below = sorted(val.max(axis=1), reverse=True)[160 - 1]
    scores = sorted(1 - val[np.arange(200), VAL.targets])
    overall = scores[math.ceil(201 * 0.7) - 1]
    per_class = []
    for k in range(3):
        own = sorted(1 - val[VAL.targets == k, k])
        per_class.append(own[math.ceil((len(own) + 1) * 0.7) - 1])
    assert stored.abstain_below == pytest.approx(below)
    assert stored.conformal_threshold == pytest.approx(overall)
    assert stored.conformal_per_class == pytest.approx(tuple(per_class))
    assert (stored.abstain_coverage, stored.conformal_level) == (0.8, 0.7)
    assert content["abstention"]["threshold"] == stored.abstain_below
    for name, one in EVALS.items():
        p = softmax(one.logits.astype(float) / T, axis=1)
        right, answered = p.argmax(axis=1) == one.targets, p.max(axis=1) >= below - 1e-12
        said = content["abstention"]["evals"][name]
        assert said["coverage"] == pytest.approx(answered.mean())
        assert said["accuracy"] == pytest.approx(right[answered].mean())
        for key, hits, images in (
            ("coverage", answered.sum(), len(p)),
            ("accuracy", right[answered].sum(), answered.sum()),
        ):
            ends = binomtest(int(hits), int(images)).proportion_ci(method="wilson")
            assert said[f"{key}_ci"] == pytest.approx(list(ends))
        for kind, limit in (("global", overall), ("per_class", np.array(per_class))):
            sets = 1 - p <= limit + 1e-12
            sets[np.arange(len(p)), p.argmax(axis=1)] |= ~sets.any(axis=1)
            found = content["conformal"][kind]["evals"][name]
            assert (found["coverage"], found["size"], found["single"], found["empty"]) == (
                pytest.approx(sets[np.arange(len(p)), one.targets].mean()),
                pytest.approx(sets.sum(axis=1).mean()),
                pytest.approx((sets.sum(axis=1) == 1).mean()),
                0,
            )
        assert content["conformal"]["scores"]["lac"] == content["conformal"]["global"]["evals"]
        ranked = ~right[np.argsort(-p.max(axis=1))]
        area = (ranked.cumsum() / np.arange(1, len(p) + 1)).mean()
        assert content["risk_coverage"][name]["area"] == pytest.approx(area)
        assert content["ece"][name]["after"] == pytest.approx(
            expected_calibration_error(one.logits / T, one.targets)
        )
        assert content["ece"][name]["before"] == pytest.approx(
            expected_calibration_error(one.logits, one.targets)
        )


def test_unknowns_by_hand() -> None:
    given = unknowns()
    content, stored = uncertainty_of(VAL, EVALS, NAMES, T, unknowns=given)
    truth = [1] * 150 + [0] * 40
    logits = np.concatenate([EVALS["test"].logits, given.logits]).astype(float)
    assert given.features is not None
    assert given.known_features is not None
    assert given.train_features is not None
    features = np.concatenate([given.known_features, given.features])
    units, train = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (features, given.train_features)
    )
    distances = np.sort(np.linalg.norm(units[:, None] - train[None], axis=2), axis=1)
    scores = {
        "msp": np.exp(log_softmax(logits / T, axis=1)).max(axis=1),
        "energy": T * np.log(np.exp(logits / T).sum(axis=1)),
        "knn": -distances[:, 9],
    }
    found = content["unknown"]
    assert (found["eval"], found["n"], found["against"]) == ("strangers", 40, "test")
    assert list(found["detectors"]) == list(scores)
    for name, values in scores.items():
        kept = np.sort(values[:150])[::-1][math.ceil(0.95 * 150) - 1]
        assert found["detectors"][name] == {
            "auroc": pytest.approx(roc_auc_score(truth, values)),
            "fpr95": pytest.approx((values[150:] >= kept - 1e-12).mean()),
            "reason": None,
        }
    energies = np.sort(T * np.log(np.exp(VAL.logits.astype(float) / T).sum(axis=1)))
    assert stored.unknown_detector == Unknowns("u", given.logits, "test").detector == "energy"
    assert stored.unknown_threshold == pytest.approx(energies[10])


def test_the_other_detector_is_stored_when_named() -> None:
    stored = uncertainty_of(VAL, EVALS, NAMES, T, unknowns=unknowns("msp"))[1]
    val = softmax(VAL.logits.astype(float) / T, axis=1).max(axis=1)
    assert stored.unknown_detector == "msp"
    assert stored.unknown_threshold == pytest.approx(np.sort(val)[::-1][190 - 1])


def test_keys_are_those_of_the_format() -> None:
    content, stored = uncertainty_of(VAL, EVALS, NAMES, T, unknowns=unknowns(features=False))
    assert list(content) == [
        "format",
        "temperature",
        "ece",
        "risk_coverage",
        "abstention",
        "conformal",
        "unknown",
    ]
    assert (content["format"], content["temperature"]) == (1, T)
    assert content["conformal"]["level"] == content["abstention"]["coverage"] == 0.9
    assert list(content["unknown"]["detectors"]) == ["msp", "energy"], "no features, no kNN"
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    without, plain = uncertainty_of(VAL, EVALS, NAMES, T)
    assert without == content | {"unknown": None}
    assert plain == replace(stored, unknown_detector=None, unknown_threshold=None)


def test_classes_with_too_few_images_are_named_and_not_stored() -> None:
    few = np.flatnonzero(VAL.targets == 1)[:8]  # one short of 0.9 / 0.1
    kept = np.sort(np.r_[few, np.flatnonzero(VAL.targets != 1)])
    val = Answers(VAL.logits[kept], VAL.targets[kept])
    content, stored = uncertainty_of(val, EVALS, NAMES, T)
    assert content["conformal"]["per_class"]["uncovered"] == ["dog"]
    assert content["conformal"]["per_class"]["evals"] == {}
    assert stored.conformal_per_class is None
    assert stored.conformal_threshold is not None


def test_too_few_images_for_any_set() -> None:
    val = Answers(VAL.logits[:8], VAL.targets[:8])
    content, stored = uncertainty_of(val, EVALS, NAMES, T)
    assert content["conformal"]["global"]["evals"] == {}
    assert content["conformal"]["scores"] == {"lac": {}, "aps": {}, "raps": {}}
    assert content["conformal"]["held_out"] == 8
    assert content["conformal"]["per_class"]["uncovered"] == NAMES
    assert stored == Uncertainty(abstain_below=stored.abstain_below, abstain_coverage=0.9)


@pytest.mark.parametrize("score", ["aps", "raps"])
def test_adaptive_sets_are_stored_and_compared(score: str) -> None:
    asked = UncertaintySettings(score=score, randomised=True, penalty=0.1, free_ranks=1)
    content, stored = uncertainty_of(VAL, EVALS, NAMES, T, asked)
    assert stored.rule == set_rule(asked)
    assert (stored.rule.score, stored.rule.randomised) == (score, True)
    assert stored.conformal_penalty == (0.1 if score == "raps" else 0.0)
    conformal = content["conformal"]
    assert conformal["scores"][score] == conformal["global"]["evals"]
    for name, part in EVALS.items():
        verdicts = replace(stored, conformal_per_class=None).verdicts(
            softmax(part.logits.astype(float) / T, axis=1), part.logits, T
        )
        held = verdicts.sets[np.arange(len(part.targets)), part.targets].mean()
        assert conformal["global"]["evals"][name]["coverage"] == pytest.approx(held)
        assert conformal["scores"]["lac"][name]["size"] > 0
    assert abs(conformal["scores"][score]["test"]["coverage"] - 0.9) < 0.08


def test_sets_without_images_are_left_out() -> None:
    empty = Answers(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    content = uncertainty_of(VAL, EVALS | {"none": empty}, NAMES, T)[0]
    assert content == uncertainty_of(VAL, EVALS, NAMES, T)[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"class_names": ["a"]}, "names - not one per class"),
        ({"val": Answers(np.zeros((0, 3)), np.zeros(0, np.int64))}, "no images"),
        ({"unknowns": replace(unknowns(), against="tests")}, "strangers - nothing to compare"),
        ({"unknowns": replace(unknowns(), logits=np.zeros((0, 3)))}, "unknown - not finite"),
        ({"unknowns": unknowns("knn")}, "detector - cannot be stored - 'knn'"),
    ],
)
def test_bad_input(change: dict[str, object], expected: str) -> None:
    arguments = {"val": VAL, "evals": EVALS, "class_names": NAMES, "temperature": T}
    with pytest.raises(DataError, match=expected):
        uncertainty_of(**(arguments | change))  # type: ignore[arg-type]


def read(classifier: Classifier, images: ImageList) -> Answers:
    pixels = prepare(images, classifier.backbone.preprocessing)
    logits = predict_logits(classifier, pixels, Runtime(accelerator="cpu", batch_size=64))
    return Answers(logits, images.targets(classifier.class_names))


def test_a_shipped_bundle_does_what_the_file_says(toy_root: Path, tmp_path: Path) -> None:
    start = tiny_classifier().with_temperature(0.3)
    val, test = from_folder(toy_root / "val"), from_folder(toy_root / "test")
    strangers = read(start, from_folder(toy_root / "train"))
    content, stored = uncertainty_of(
        read(start, val),
        {"test": read(start, test)},
        CLASSES,
        0.3,
        UncertaintySettings(0.5, 0.6, score="raps", randomised=True, penalty=0.05, free_ranks=1),
        unknowns=Unknowns("strangers", strangers.logits, "test", "energy"),
    )
    shipped = Classifier.load(start.with_uncertainty(stored).save(tmp_path / "model"))
    assert shipped.uncertainty == stored
    found = shipped.predict([test.open(index) for index in range(len(test))])
    truth = [CLASSES[k] for k in test.targets(CLASSES)]
    answered = [(one.label, true) for one, true in zip(found, truth, strict=True)
                if not one.abstained]  # fmt: skip
    said = content["abstention"]["evals"]["test"]
    assert len(answered) / len(found) == pytest.approx(said["coverage"])
    assert 0 < len(answered) < len(found)
    assert np.mean([one == true for one, true in answered]) == pytest.approx(said["accuracy"])
    kind = "global" if stored.conformal_per_class is None else "per_class"
    sets = content["conformal"][kind]["evals"]["test"]
    inside = [true in one.labels for one, true in zip(found, truth, strict=True)]
    assert np.mean(inside) == pytest.approx(sets["coverage"])
    assert np.mean([len(one.labels) for one in found]) == pytest.approx(sets["size"])
    known = shipped.predict([val.open(index) for index in range(len(val))])
    assert sum(one.unknown for one in known) <= 0.05 * len(val) + 1
