"""Probabilities out of fold against scikit-learn and slow loops."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

import adapt.checks.findings.out_of_fold as judge
from adapt.checks.findings.labels import suspected
from adapt.checks.findings.out_of_fold import (
    STRENGTHS,
    blend,
    fast_probe,
    neighbour_scores,
    out_of_fold_probabilities,
    probe_scores,
)
from adapt.errors import DataError
from tests.helpers.label_problem import flipped, problem


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
