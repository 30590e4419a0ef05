"""Confident learning against cleanlab and slow loops; the judge against scikit-learn and loops."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

import adapt.checks.findings.out_of_fold as judge
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
    STRENGTHS,
    blend,
    fast_probe,
    neighbour_scores,
    out_of_fold_probabilities,
    probe_scores,
)
from adapt.errors import DataError

Case = tuple[np.ndarray, np.ndarray]


def problem(seed: int, classes: int = 4, count: int = 80, spread: float = 0.5) -> Case:
    """Unit features in clusters, and the true classes."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, 8))
    y = np.arange(count) % classes
    x = centres[y] + spread * random.normal(size=(count, 8))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


def flipped(y: np.ndarray, classes: int, count: int, seed: int) -> Case:
    random = np.random.default_rng(seed)
    wrong = random.choice(len(y), count, replace=False)
    labels = y.copy()
    labels[wrong] = (y[wrong] + random.integers(1, classes, count)) % classes
    return labels, np.sort(wrong)


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


@pytest.mark.parametrize("strength", STRENGTHS)
def test_the_probe_is_near_scikit_learns_minimum(strength: float) -> None:
    x, y = problem(1, classes=3, spread=0.8)
    expected = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(x.astype(float), y)

    def objective(w: np.ndarray, b: np.ndarray) -> float:
        logs = log_softmax(x.astype(float) @ w.T + b, axis=1)
        return float(-logs[np.arange(len(y)), y].sum() + (w**2).sum() / (2 * strength))

    best = objective(expected.coef_, expected.intercept_)
    assert best - 1e-6 <= objective(*fast_probe(x, y, 3, strength)) <= 1.02 * best


def test_a_probe_never_saw_the_label_it_judges() -> None:
    x, y = problem(2)
    fold = np.arange(len(y)) // 4 % 4
    scores, unseen = probe_scores(x, y, 4, fold)
    assert not unseen.any()
    # The first fold is left alone: the strength is chosen on it.
    for index in np.flatnonzero(fold == 2)[:3]:
        other = y.copy()
        other[index] = (other[index] + 1) % 4
        np.testing.assert_array_equal(probe_scores(x, other, 4, fold)[0][index], scores[index])
    strength = min(STRENGTHS, key=lambda c: held_out_loss(x, y, fold == 0, c))
    weight, bias = fast_probe(x[fold != 1], y[fold != 1], 4, strength)
    np.testing.assert_allclose(scores[fold == 1], x[fold == 1] @ weight.T + bias, rtol=1e-5)


def held_out_loss(x: np.ndarray, y: np.ndarray, held: np.ndarray, strength: float) -> float:
    weight, bias = fast_probe(x[~held], y[~held], 4, strength)
    logs = log_softmax(x[held] @ weight.T + bias, axis=1)
    return -float(logs[np.arange(held.sum()), y[held]].mean())


@pytest.mark.parametrize("block", [7, 512])
def test_neighbours_equal_the_slow_ones(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "_BLOCK", block)
    x, y = problem(3, count=30)
    groups = [str(index // 3) for index in range(30)]
    seen = np.arange(30) % 5 != 0
    found = neighbour_scores(x, y, 4, groups, seen)
    width = 0.3 * np.std([a @ b for a in x[:: max(1, 30 // block)] for b in x[seen]])
    for i in range(30):
        sums = np.zeros(4)
        for j in np.flatnonzero(seen):
            if groups[i] != groups[j]:
                sums[y[j]] += np.exp(x[i].astype(float) @ x[j] / width)
        difference = found[i] - np.log(sums)
        np.testing.assert_allclose(difference, difference[0], atol=2e-3)


def test_neighbours_do_not_count_the_image_itself() -> None:
    x, y = problem(4)
    scores = neighbour_scores(x, y, 4)
    other = y.copy()
    other[5] = (other[5] + 1) % 4
    np.testing.assert_array_equal(neighbour_scores(x, other, 4)[5], scores[5])


def test_an_image_without_neighbours_is_left_undecided() -> None:
    x, y = problem(5, count=8)
    assert np.ptp(neighbour_scores(x, y, 4, ["all"] * 8), axis=1).max() == 0


def test_the_blend_is_as_likely_as_can_be() -> None:
    y = np.arange(80) % 4
    labels = flipped(y, 4, 4, 0)[0]
    good, noise = 3 * np.eye(4)[y], np.random.default_rng(0).normal(size=(80, 4))
    good += noise
    rows, blind = np.arange(80), np.bincount(labels)[labels] / 80

    def loss(p: np.ndarray) -> float:
        shares = np.linspace(0, 0.2, 101)[:, None]
        return -float(np.log((1 - shares) * p[rows, labels] + shares * blind).mean(axis=1).max())

    found = loss(blend([good, noise], labels))
    steps = np.linspace(0, 3, 25)
    slow = min(loss(softmax(a * good + b * noise, axis=1)) for a in steps for b in steps)
    assert found <= slow + 1e-4


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


def test_the_order_of_the_images_does_not_matter() -> None:
    x, y = problem(8, count=120, spread=0.35)
    labels = flipped(y, 4, 4, seed=1)[0]
    keys = [f"image {index}" for index in range(120)]
    p = out_of_fold_probabilities(x, labels, 4, 5, 0, keys=keys)
    order = np.random.default_rng(0).permutation(120)
    shuffled = [keys[index] for index in order]
    again = out_of_fold_probabilities(x[order], labels[order], 4, 5, 0, keys=shuffled)
    np.testing.assert_allclose(again, p[order], atol=0.02)
    assert set(suspected(p, labels).indices) == set(order[suspected(again, labels[order]).indices])


def test_a_copy_does_not_vouch_for_its_twin() -> None:
    x, y = problem(9, count=240, spread=0.35)
    labels, groups = y.copy(), [str(index) for index in range(240)]
    for first in range(4):  # of each class one image five times, wrongly labelled all five times
        for twin in range(first, first + 20, 4):
            x[twin], labels[twin], groups[twin] = x[first], (first + 1) % 4, str(first)
    without = out_of_fold_probabilities(x, labels, 4, 5, 0)
    together = out_of_fold_probabilities(x, labels, 4, 5, 0, groups=groups)
    twins, rows = set(range(20)), np.arange(20)
    assert not twins & set(suspected(without, labels).indices)
    assert twins <= set(suspected(together, labels).indices)
    np.testing.assert_array_equal(together[rows].argmax(axis=1), y[rows])


def test_the_zero_shot_head_helps_where_images_are_few() -> None:
    x, y = problem(10, classes=12, count=36, spread=0.5)
    centres = np.stack([x[y == k].mean(axis=0) for k in range(12)])
    alone = out_of_fold_probabilities(x, y, 12, 3, 0)
    helped = out_of_fold_probabilities(x, y, 12, 3, 0, anchor=20 * centres)
    rows = np.arange(36)
    assert np.log(helped[rows, y]).mean() > np.log(alone[rows, y]).mean()


def test_what_cannot_be_judged_keeps_its_label() -> None:
    x, y = problem(11, count=40)
    y[0] = 4  # alone in its class
    p = out_of_fold_probabilities(x, y, 6, 5, 0)
    assert p[0].tolist() == [0, 0, 0, 0, 1, 0]
    assert 0 not in suspected(p, y).indices
    single = out_of_fold_probabilities(x[:3], y[:3], 6, 5, 0, groups=["one"] * 3)
    np.testing.assert_array_equal(single, np.eye(6)[y[:3]])


def test_large_sets_are_judged_by_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = problem(12, count=200, spread=0.35)
    monkeypatch.setattr(judge, "MOST_SEEN", 60)
    sizes = []
    monkeypatch.setattr(
        judge, "fast_probe", lambda *given: sizes.append(len(given[0])) or fast_probe(*given)
    )
    p = out_of_fold_probabilities(x, y, 4, 5, 0)
    assert max(sizes) <= 60
    assert (p.argmax(axis=1) == y).mean() > 0.95


@pytest.mark.parametrize("targets", [[0, 1], [0, 1, 2]])
def test_wrong_sizes_are_refused(targets: list[int]) -> None:
    with pytest.raises(DataError, match="features - sizes differ"):
        out_of_fold_probabilities(np.eye(3), np.array(targets), 2, 2, 0)


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
