"""Confident learning against cleanlab and slow loops; the judge against scikit-learn and loops."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from adapt.checks.findings.finding import Place
from adapt.checks.findings.labels import (
    calibrated_joint,
    confident_errors,
    confident_joint,
    confident_thresholds,
    label_findings,
    suspected,
    true_classes,
)
from adapt.checks.findings.out_of_fold import (
    out_of_fold_probabilities,
)
from adapt.errors import DataError
from tests.helpers.label_problem import Case, flipped, problem


@st.composite
def judged(draw: st.DrawFn) -> Case:
    """Probabilities, coarse so that ties occur, and labels, of which every class has some."""
    classes, count = draw(st.integers(2, 6)), draw(st.integers(12, 60))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    targets = np.concatenate([np.arange(classes), random.integers(0, classes, count - classes)])
    scores = random.normal(size=(count, classes)) * draw(st.sampled_from([0.5, 2.0, 6.0]))
    scores[np.arange(count), targets] += draw(st.sampled_from([0.0, 2.0]))
    if draw(st.booleans()):
        return softmax(np.round(scores), axis=1), targets
    return softmax(scores, axis=1), targets


def slow_joint(p: np.ndarray, y: np.ndarray) -> tuple[list[list[int]], list[int]]:
    """Equations 1 and 2 of arXiv:1911.00068, image by image."""
    classes = p.shape[1]
    limits = [
        sum(row[k] for row, t in zip(p, y, strict=True) if t == k) / sum(y == k)
        for k in range(classes)
    ]
    joint, errors = [[0] * classes for _ in range(classes)], []
    for index, (row, label) in enumerate(zip(p, y, strict=True)):
        sure = [k for k in range(classes) if row[k] >= limits[k] - 1e-6]
        if sure:
            best = max(sure, key=lambda k: row[k])
            joint[label][best] += 1
            if best != label and row.max() > row[label] + 1e-6:
                errors.append(index)
    for k in range(classes):
        joint[k][k] = max(joint[k][k], 1)
    return joint, errors


@given(judged())
@settings(max_examples=60, deadline=None)
def test_confident_learning_equals_the_slow_one(case: Case) -> None:
    p, y = case
    joint, errors = slow_joint(p, y)
    assert confident_joint(p, y).tolist() == joint
    found = confident_errors(p, y)
    assert sorted(found.tolist()) == errors
    assert (np.diff(p[found, y[found]]) >= 0).all()


@given(judged())
@settings(max_examples=40, deadline=None)
def test_confident_learning_equals_cleanlab(case: Case) -> None:
    count = pytest.importorskip("cleanlab.count")
    find = pytest.importorskip("cleanlab.filter").find_label_issues
    p, y = case
    limits = confident_thresholds(p, y)
    np.testing.assert_allclose(limits, count.get_confident_thresholds(y, p))
    # Of several classes that reach their thresholds the paper takes the most probable; cleanlab
    # then takes the most probable of all, which need not be one of them.
    sure = p >= limits - 1e-6
    most, paper = p.argmax(axis=1), np.where(sure, p, -1).argmax(axis=1)
    odd = (sure.sum(axis=1) > 1) & (most != paper)
    joint = count.compute_confident_joint(y, p, calibrate=False).astype(int)
    for label, theirs, ours in zip(y[odd], most[odd], paper[odd], strict=True):
        joint[label, theirs] -= theirs != label
        joint[label, ours] += ours != label
    apart = ~np.eye(len(joint), dtype=bool)
    np.testing.assert_array_equal(confident_joint(p, y)[apart], joint[apart])
    rule = {"filter_by": "confident_learning", "n_jobs": 1}
    found = np.isin(np.arange(len(y)), confident_errors(p, y))
    np.testing.assert_array_equal(found[~odd], find(y, p, **rule)[~odd])
    if not odd.any():
        np.testing.assert_array_equal(confident_joint(p, y), joint)
        ranked = find(y, p, **rule, return_indices_ranked_by="self_confidence")
        ours = confident_errors(p, y)
        np.testing.assert_allclose(p[ours, y[ours]], p[ranked, y[ranked]])
        # cleanlab rounds to whole images and keeps the sum of each row.
        whole = count.compute_confident_joint(y, p, calibrate=True)
        calibrated = calibrated_joint(confident_joint(p, y), y)
        np.testing.assert_allclose(calibrated.sum(axis=1), whole.sum(axis=1))
        assert np.abs(calibrated - whole).max() < 1


def test_a_class_without_images_counts_for_nothing() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.2, 0.1, 0.7], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1]])
    y = np.array([0, 0, 0, 1])
    assert confident_thresholds(p, y)[2] > 1
    assert confident_joint(p, y)[:, 2].tolist() == [0, 0, 1]
    assert calibrated_joint(confident_joint(p, y), y)[2].tolist() == [0, 0, 0]


def slow_true_classes(p: np.ndarray, y: np.ndarray, evidence: float) -> np.ndarray:
    classes = p.shape[1]
    often = [float((y == k).mean()) for k in range(classes)]
    own = p[np.arange(len(y)), y]

    def loss(share: float) -> float:
        return -sum(np.log((1 - share) * a + share * often[k]) for a, k in zip(own, y, strict=True))

    found = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-9})
    share = max(found.x, 0.001)
    first = [[share * often[k] + (1 - share) * (j == k) for k in range(classes)]
             for j in range(classes)]  # fmt: skip
    noise = first
    for _ in range(100):
        post = np.array([[row[j] * noise[j][k] for j in range(classes)]
                         for row, k in zip(p, y, strict=True)])  # fmt: skip
        post /= post.sum(axis=1, keepdims=True)
        noise = [
            [(post[y == k, j].sum() + evidence * first[j][k]) / (post[:, j].sum() + evidence)
             for k in range(classes)] for j in range(classes)
        ]  # fmt: skip
    return post


@pytest.mark.parametrize("evidence", [3.0, 500.0])
@pytest.mark.parametrize("seed", range(4))
def test_true_classes_equal_the_slow_ones(seed: int, evidence: float) -> None:
    random = np.random.default_rng(seed)
    true = np.arange(60) % 3
    scores = random.normal(size=(60, 3))
    scores[np.arange(60), true] += 3
    p, y = softmax(scores, axis=1), flipped(true, 3, 8, seed)[0]
    found = true_classes(p, y, evidence)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    # Both stop before the last digit.
    np.testing.assert_allclose(found, slow_true_classes(p, y, evidence), atol=2e-3)


@given(judged(), st.sampled_from([0.05, 0.3, 0.6]))
@settings(max_examples=40, deadline=None)
def test_suspects_are_what_their_true_classes_say(case: Case, least: float) -> None:
    p, y = case
    found, truth = suspected(p, y, least), true_classes(p, y)
    expected = [
        (-max(value for k, value in enumerate(row) if k != label), index)
        for index, (row, label) in enumerate(zip(truth, y, strict=True))
    ]
    expected = sorted(pair for pair in expected if -pair[0] > least)
    assert found.indices.tolist() == [index for _, index in expected]
    assert found.scores.tolist() == [-score for score, _ in expected]
    assert found.given.tolist() == y[found.indices].tolist()
    assert all(other != label for other, label in zip(found.suggested, found.given, strict=True))
    assert truth[found.indices, found.suggested].tolist() == found.scores.tolist()
    assert found.share == pytest.approx(1 - truth[np.arange(len(y)), y].mean())


def test_noise_of_one_pair_of_classes_is_believed_with_evidence() -> None:
    true = np.repeat([0, 1, 2], 2000)
    p, y = np.where(np.eye(3, dtype=bool)[true], 0.97, 0.015), true.copy()
    y[:200] = 1  # a tenth of class 0 is called 1
    assert set(suspected(p, y).indices) == set(range(200))
    assert true_classes(p, y, evidence=1e9)[0, 0] < 0.5
    assert not len(suspected(p[::20], y[::20]).indices)


@pytest.mark.parametrize("shape", [(5, 1), (0, 3)])
def test_nothing_to_suspect(shape: tuple[int, int]) -> None:
    found = suspected(np.full(shape, 1.0), np.zeros(shape[0], dtype=np.int64))
    assert not len(found.indices)
    assert found.share == pytest.approx(0)


def test_flips_are_found_and_named() -> None:
    x, y = problem(7, count=200, spread=0.35)
    labels, wrong = flipped(y, 4, 6, seed=7)
    p = out_of_fold_probabilities(x, labels, 4, folds=5, seed=0)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    found = suspected(p, labels)
    assert sorted(found.indices.tolist()) == wrong.tolist()
    np.testing.assert_array_equal(found.suggested, y[found.indices])
    np.testing.assert_array_equal(found.given, labels[found.indices])
    assert found.share == pytest.approx(0.03, abs=0.02)


def planted() -> tuple[list[Place], np.ndarray]:
    x, y = problem(7, count=200, spread=0.35)
    labels = flipped(y, 4, 6, seed=7)[0]
    places = [Place("train", f"{k}.png", "abcd"[label]) for k, label in enumerate(labels)]
    return places, out_of_fold_probabilities(x, labels, 4, folds=5, seed=0)


def test_the_finding() -> None:
    places, p = planted()
    targets = np.array(["abcd".index(place.label) for place in places])
    expected = suspected(p, targets)
    (finding,) = label_findings(places, p, list("abcd"), labels_file="labels.csv")
    assert (finding.kind, finding.level) == ("suspected_label", "warning")
    assert finding.message.startswith("6 labels look wrong among 200: first ")
    assert [place for (place,) in finding.places] == [places[i] for i in expected.indices]
    assert list(finding.values) == expected.scores.tolist()
    assert finding.remove == ()
    assert "labels.csv" in finding.fix
    assert "--fix" in finding.fix
    details = json.loads(json.dumps(finding.details))
    assert details["suggested"] == ["abcd"[k] for k in expected.suggested]
    assert details["given_probability"] == p[expected.indices, expected.given].tolist()
    assert details["confident_errors"] == len(confident_errors(p, targets))
    assert sum(count for _, _, count in details["pairs"]) == 6


def test_suspects_are_left_out_only_when_asked_for() -> None:
    places, p = planted()
    (finding,) = label_findings(places, p, list("abcd"), remove=True)
    assert finding.remove == tuple(place for (place,) in finding.places)
    assert "moving the file" in finding.fix


def test_clean_labels_give_no_finding() -> None:
    x, y = problem(7, count=200, spread=0.2)
    p = out_of_fold_probabilities(x, y, 4, folds=5, seed=0)
    places = [Place("train", f"{k}.png", "abcd"[label]) for k, label in enumerate(y)]
    assert label_findings(places, p, list("abcd")) == []


@pytest.mark.parametrize(("names", "rows"), [(["a", "b"], 2), (["a", "x"], 1)])
def test_findings_refuse_what_does_not_fit(names: list[str], rows: int) -> None:
    with pytest.raises(DataError, match="probabilities - do not fit"):
        label_findings([Place("train", "1.png", "b")], np.full((rows, 2), 0.5), names)
