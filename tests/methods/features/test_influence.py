"""Influence against fits without the image, by scikit-learn."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from adapt.methods.features.influence import Influence, harm

C = 1.0
K, D, N = 3, 5, 60


@pytest.fixture(scope="module")
def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = np.arange(N + 30) % K
    x = random.normal(size=(len(y), D)) + 1.2 * np.eye(K, D)[y]
    return x[:N], y[:N], x[N:], y[N:]


def refit(x: np.ndarray, y: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(x, y)


def test_margin_as_refits(problem: tuple[np.ndarray, ...]) -> None:
    x, y, others, _ = problem
    whole = refit(x, y)
    query = others[:1]

    def margin(model: LogisticRegression) -> float:
        logits = model.decision_function(query)[0]
        return float(logits[0] - logits[2])

    slow = [margin(refit(np.delete(x, i, 0), np.delete(y, i))) - margin(whole) for i in range(N)]
    fast = Influence.fit(x, y, K, C).on_margin(query[0], 0, 2)
    assert spearmanr(fast, slow).statistic > 0.99
    # To first order: without the image the loss is also less curved, and the head moves further.
    assert 1 < np.polyfit(fast, slow, 1)[0] < 1.4


def test_error_as_refits(problem: tuple[np.ndarray, ...]) -> None:
    x, y, others, labels = problem

    def error(model: LogisticRegression) -> float:
        return float(1 - model.predict_proba(others)[np.arange(len(labels)), labels].mean())

    whole = error(refit(x, y))
    slow = [error(refit(np.delete(x, i, 0), np.delete(y, i))) - whole for i in range(N)]
    fast = Influence.fit(x, y, K, C).on_error(others, labels)
    assert spearmanr(fast, slow).statistic > 0.95


def test_without_is_the_derivative_by_the_weight_of_an_image(
    problem: tuple[np.ndarray, ...],
) -> None:
    """Leaving out a thousandth of an image moves the head by a thousandth of what is computed."""
    x, y, others, _ = problem
    part, image = 1e-4, 7
    weights = np.ones(N)
    weights[image] -= part
    moved = LogisticRegression(C=C, tol=1e-12, max_iter=10_000).fit(x, y, weights)
    still = LogisticRegression(C=C, tol=1e-12, max_iter=10_000).fit(x, y)
    change = (moved.decision_function(others) - still.decision_function(others))[0]
    fast = Influence.fit(x, y, K, C).on_margin(others[0], 1, 0)[image]
    assert (change[1] - change[0]) / part == pytest.approx(fast, rel=0.02)


def test_equal_classes_have_no_margin(problem: tuple[np.ndarray, ...]) -> None:
    x, y, others, _ = problem
    assert Influence.fit(x, y, K, C).on_margin(others[0], 1, 1).tolist() == [0.0] * N


def test_harm_is_the_mean_over_the_folds_that_judge(problem: tuple[np.ndarray, ...]) -> None:
    x, y, _, _ = problem
    folds = np.arange(N) // K % 3
    hurts, image = harm(x, y, K, C, folds), 7
    direct = []
    for fold in {0, 1, 2} - {folds[image]}:
        held = folds == fold
        judged = Influence.fit(x[~held], y[~held], K, C)
        direct.append(
            -judged.on_error(x[held], y[held])[np.flatnonzero(~held).tolist().index(image)]
        )
    assert hurts[image] == pytest.approx(np.mean(direct))


def test_wrong_labels_hurt_most(problem: tuple[np.ndarray, ...]) -> None:
    x, y, _, _ = problem
    x = 0.4 * x + 2 * np.eye(K, D)[y]
    wrong, changed = y.copy(), [3, 20, 41]
    wrong[changed] = (wrong[changed] + 1) % K
    hurts = harm(x, wrong, K, C, np.arange(N) // K % 4)
    assert set(np.argsort(-hurts)[:3]) == set(changed)
