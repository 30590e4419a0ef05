"""Sparse logistic regression against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from adapt.methods.features.sparse import fit_sparse


def problem(classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.tile(np.arange(classes), 40)
    x = random.normal(size=(len(y), 12))
    x[:, 0] += y
    x[:, 1] -= 0.7 * (y == 1)
    return (x - x.mean(0)) / x.std(0), y


def loss(x: np.ndarray, y: np.ndarray, head: np.ndarray, c: float) -> float:
    scores = x @ head.T
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return float(np.abs(head).sum() - c * logs[np.arange(len(y)), y].sum())


@pytest.mark.numerical
@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
@pytest.mark.parametrize("c", [0.03, 0.3, 1.0])
def test_the_minimum_is_that_of_saga(c: float) -> None:
    """The bias as the weight of a column of ones."""
    x, y = problem(3)
    weight, bias = fit_sparse(torch.from_numpy(x), torch.from_numpy(y), 3, c)
    found = torch.cat([weight, bias[:, None]], 1).numpy()
    with_ones = np.hstack([x, np.ones((len(x), 1))])
    saga = LogisticRegression(
        solver="saga",
        l1_ratio=1.0,
        penalty="elasticnet",
        C=c,
        tol=1e-7,
        max_iter=20_000,
        fit_intercept=False,
    ).fit(with_ones, y)
    expected = loss(with_ones, y, saga.coef_, c)
    assert loss(with_ones, y, found, c) == pytest.approx(expected, rel=1e-5)
    assert found == pytest.approx(saga.coef_, abs=3e-3)
    if c < 0.1:
        assert ((found == 0) == (np.abs(saga.coef_) < 1e-4)).mean() > 0.95


@pytest.mark.numerical
@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
@pytest.mark.parametrize("c", [0.03, 0.3])
def test_two_classes_are_the_binary_regression_of_liblinear(c: float) -> None:
    x, y = problem(2, 1)
    x, y = x[:70], y[:70]  # more of the first class, so that there is a bias
    weight, bias = fit_sparse(torch.from_numpy(x), torch.from_numpy(y), 2, c)
    binary = LogisticRegression(solver="liblinear", penalty="l1", C=c, tol=1e-8, max_iter=10_000)
    binary.fit(x, y)
    assert (weight[1] - weight[0]).numpy() == pytest.approx(binary.coef_[0], abs=2e-3)
    assert float(bias[1] - bias[0]) == pytest.approx(binary.intercept_[0], abs=2e-3)


def test_a_start_near_the_minimum_ends_there_too() -> None:
    x, y = (torch.from_numpy(part) for part in problem(3))
    cold = fit_sparse(x, y, 3, 0.3)
    warm = fit_sparse(x, y, 3, 0.3, fit_sparse(x, y, 3, 0.1))
    torch.testing.assert_close(cold[0], warm[0], atol=1e-3, rtol=0)
