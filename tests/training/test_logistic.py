"""Logistic regression against scikit-learn and a plain minimisation."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from adapt.training import logistic
from adapt.training.logistic import Logistic
from tests.helpers.logistic import direct, problem, sklearn_fit
from tests.helpers.support_problem import fit_probe


@pytest.mark.parametrize("strength", [1e-4, 0.1, 1.0, 30.0, 1e4])
def test_equals_scikit_learn(strength: float) -> None:
    x, y = problem(4)
    weight, bias = fit_probe(x, y, 4, strength)
    expected = sklearn_fit(x, y, strength)
    probabilities = softmax((x @ weight.T + bias).double().numpy(), axis=1)
    np.testing.assert_allclose(probabilities, expected.predict_proba(x.double().numpy()), atol=2e-5)
    size = np.abs(expected.coef_).max()
    np.testing.assert_allclose(weight.numpy(), expected.coef_, atol=2e-4 * size)
    np.testing.assert_allclose(
        bias - bias.mean(), expected.intercept_ - expected.intercept_.mean(), atol=1e-6, rtol=2e-4
    )


@pytest.mark.parametrize("strength", [0.1, 10.0])
def test_two_classes_are_scikit_learns_double_strength(strength: float) -> None:
    x, y = problem(2)
    weight, bias = fit_probe(x, y, 2, strength)
    expected = sklearn_fit(x, y, 2 * strength)
    np.testing.assert_allclose(weight[1] - weight[0], expected.coef_[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(bias[1] - bias[0], expected.intercept_[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_anchored_probe_equals_a_direct_minimisation(strength: float) -> None:
    x, y = problem(3)
    anchor = torch.randn(3, 6, generator=torch.Generator().manual_seed(0)) * 3
    weight, bias = fit_probe(x, y, 3, strength, anchor)
    expected = direct(x.double().numpy(), y.numpy(), anchor.double().numpy(), strength)
    np.testing.assert_allclose(weight, expected[0], atol=3e-3)
    np.testing.assert_allclose(bias, expected[1], atol=3e-3)


def test_strong_regularisation_gives_the_anchor_back() -> None:
    x, y = problem(3)
    anchor = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    weight, _ = fit_probe(x, y, 3, 1e-6, anchor)
    torch.testing.assert_close(weight, anchor, atol=1e-4, rtol=0)
    assert fit_probe(x, y, 3, 1e-6)[0].abs().max() < 1e-4


@pytest.mark.parametrize("classes", [3, 7])
def test_warm_starts_end_where_cold_ones_do(classes: int) -> None:
    """Fewer features than dimensions, class weights and an anchor included."""
    random = np.random.default_rng(classes)
    x, y = random.normal(size=(20, 30)), np.arange(20) % classes
    anchor, factor = random.normal(size=(classes, 30)), random.uniform(0.5, 2, classes)
    warm = Logistic(x, y, classes, anchor, factor)
    for strength in (0.01, 100.0, 1.0):
        found = warm.fit(strength)
        cold = Logistic(x, y, classes, anchor, factor).fit(strength)
        np.testing.assert_allclose(found[0], cold[0], atol=1e-3)
        np.testing.assert_allclose(found[1], cold[1], atol=1e-3)


@pytest.mark.parametrize("at_once", [1, 10**6])
def test_each_fold_is_fitted_without_its_images(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the others were all there is, all at once or fold by fold."""
    monkeypatch.setattr(logistic, "AT_ONCE", at_once)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 60)), np.arange(40) % 4
    anchor, factor = random.normal(size=(4, 60)), random.uniform(0.5, 2, 4)
    folds = np.arange(40) // 4 % 3
    folds[:4] = -1
    together = Logistic(x, y, 4, anchor, factor, folds)
    for strength in (3.0, 30.0):
        heads = together.fits(strength)
        assert len(heads) == 3
        for fold, (weight, bias) in enumerate(heads):
            rest = folds != fold
            alone = Logistic(x[rest], y[rest], 4, anchor, factor).fit(strength)
            np.testing.assert_allclose(weight, alone[0], atol=1e-3)
            np.testing.assert_allclose(bias, alone[1], atol=1e-3)


def test_the_same_fit_has_the_same_bits() -> None:
    x, y = problem(4)
    first, second = (fit_probe(x, y, 4, 10.0) for _ in range(2))
    assert first[0].equal(second[0])
    assert first[1].equal(second[1])


def test_a_rough_fit_is_as_near_as_it_says() -> None:
    x, y = (part.numpy() for part in problem(4))

    def loss(solution: tuple[np.ndarray, np.ndarray]) -> float:
        weight, bias = (part.astype(float) for part in solution)
        logs = log_softmax(x.astype(float) @ weight.T + bias, axis=1)
        return -float(logs[np.arange(len(y)), y].sum()) + float((weight**2).sum()) / 200

    best = loss(Logistic(x, y, 4).fit(100.0))
    for tolerance in (1e-2, 1e-3, 1e-4):
        assert (
            best - 1e-5 <= loss(Logistic(x, y, 4).fit(100.0, tolerance)) <= (1 + tolerance) * best
        )
