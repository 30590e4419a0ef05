"""Logistic regression against scikit-learn and a plain minimisation."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

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
