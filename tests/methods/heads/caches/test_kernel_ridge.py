"""Kernel ridge against scikit-learn's on features that numpy whitened, and its strength."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import ortho_group
from sklearn.kernel_ridge import KernelRidge as Reference

from adapt.methods.estimator.classifier import FewShotClassifier
from adapt.methods.features.cross_validation import Weights, best_weights, rounds
from adapt.methods.features.support import Support
from adapt.methods.heads.caches.kernel_ridge import ROUNDS, SURENESS, UNCHOSEN, KernelRidge
from tests.helpers.support_problem import (
    ALL,
    UNEVEN,
    Array,
    cross_entropy,
    numbers,
    problem,
    shuffled,
    unit,
)

pytestmark = pytest.mark.numerical

FULL = ALL * 3
SINGLE = [0, 1, 2, 3, 4]


def slow_whitening(x: Array, y: Array) -> Array:
    """The symmetric root, from the eigenvalues of the covariance."""
    away = np.stack([row - x[y == label].mean(0) for row, label in zip(x, y, strict=True)])
    freedom = len(x) - len(set(y.tolist()))
    if freedom == 0:
        away, freedom = x - x.mean(0), len(x) - 1
    scatter = sum(np.outer(row, row) for row in away)
    values, vectors = np.linalg.eigh(scatter + np.trace(scatter) / freedom * np.eye(x.shape[1]))
    return vectors @ np.diag(values**-0.5) @ vectors.T


def slow_shares(support: Support, queries: Array, ridge: float, beta: float) -> Array:
    """What scikit-learn's regression says of the queries; class shares are added again."""
    x, y, _ = numbers(support)
    matrix = slow_whitening(x, y)
    images = support.views.double().numpy().mean(0)
    images, labels = unit(images), support.targets.numpy()
    centre = images.mean(0)
    classes = np.eye(5)[labels]
    model = Reference(alpha=ridge, kernel="rbf", gamma=beta / 2)
    model.fit(unit((images - centre) @ matrix), classes - classes.mean(0))
    share = classes.mean(0)
    share[share == 0] = share[share > 0].mean()
    return np.asarray(model.predict(unit((queries - centre) @ matrix)) + share)


@pytest.mark.parametrize("targets", [FULL, UNEVEN, SINGLE])
@pytest.mark.parametrize("views", [1, 3])
def test_logits_equal_the_regression_of_scikit_learn(targets: list[int], views: int) -> None:
    support = problem(targets, views)
    queries = numbers(problem(FULL, seed=1))[0]
    text = 20 * numbers(support)[2]
    for ridge, beta in ((0.1, 4.0), (0.7, 1.5)):
        head = KernelRidge(beta, ridge, alpha=0.3, views=views).head(support)
        found = head(torch.from_numpy(queries).float()).detach().numpy()
        shares = slow_shares(support, queries, ridge, beta)
        np.testing.assert_allclose(
            found, queries @ text.T + 0.3 * SURENESS * shares, rtol=1e-4, atol=1e-4
        )


def slow_held_out(support: Support) -> tuple[Array, Array]:
    """Of each image that can be held out, what the images of other rounds say; its position."""
    number = rounds(support, ROUNDS).numpy()
    places = np.flatnonzero(number >= 0)
    said = np.zeros((len(number), 5))
    for turn in range(number.max() + 1):
        rest = support.part(torch.from_numpy(number != turn))
        held = number == turn
        said[held] = SURENESS * slow_shares(rest, support.features[held].numpy(), 0.1, 4.0)
    return said[places], places


@pytest.mark.parametrize("targets", [FULL, UNEVEN])
def test_alpha_is_chosen_by_images_held_out(targets: list[int]) -> None:
    support = problem(targets)
    said, places = slow_held_out(support)
    x, y, text = numbers(support)
    zero_shot = 20 * x[places] @ text.T
    expected, _ = best_weights(*map(torch.from_numpy, (zero_shot, said, y[places])))
    found = KernelRidge().choose_weights(support)
    assert found.alpha == pytest.approx(expected.alpha, rel=2e-2)
    assert found.evidence == pytest.approx(expected.evidence, rel=2e-2)
    assert KernelRidge().choose_weights(problem(SINGLE)) == Weights(1.0, UNCHOSEN)


def test_without_text_it_is_as_sure_as_it_is_right() -> None:
    support = problem(FULL)
    alike = replace(support, zero_shot=support.zero_shot[:1].expand(5, -1).contiguous())
    said, places = slow_held_out(support)
    y = support.targets.numpy()[places]
    best = minimize_scalar(lambda log: cross_entropy(np.exp(log) * np.eye(5), said, y))
    found = KernelRidge().choose_weights(alike)
    assert found == Weights(1.0, pytest.approx(np.exp(best.x), rel=1e-3))


def test_a_class_without_images_is_left_to_zero_shot() -> None:
    """Far from all images the regression says the share of each class, and of such a class too."""
    head = KernelRidge(alpha=1.0).regression(problem(UNEVEN))
    assert torch.equal(head.values[:, [2, 4]], torch.zeros(7, 2))
    torch.testing.assert_close(head.bias, SURENESS * torch.tensor([4, 1, 7 / 3, 2, 7 / 3]) / 7)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3), st.booleans())
def test_turning_the_space_changes_nothing(seed: int, views: int, single: bool) -> None:
    support = problem(SINGLE if single else FULL, views, seed=seed)
    turn = torch.from_numpy(ortho_group.rvs(6, random_state=seed)).float()
    turned = replace(support, views=support.views @ turn, zero_shot=support.zero_shot @ turn)
    queries = problem(FULL, seed=seed + 1).features
    method = KernelRidge(alpha=0.5)
    torch.testing.assert_close(
        method.head(turned)(queries @ turn), method.head(support)(queries), rtol=1e-3, atol=1e-3
    )


def test_the_order_of_images_does_not_matter() -> None:
    support, queries = problem(FULL), problem(FULL, seed=1).features
    one, other = (KernelRidge().head(each)(queries) for each in (support, shuffled(support)))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("targets", [[0, 0, 0], [0, 1, 0, 1], [2]])
def test_images_that_are_all_alike(targets: list[int]) -> None:
    support = problem(targets)
    same = replace(support, views=support.views[:, :1].expand(-1, len(targets), -1).contiguous())
    head = KernelRidge(alpha=1.0).head(same)
    logits = head(problem(FULL, seed=1).features)
    assert bool(torch.isfinite(logits).all())


def test_images_that_differ_between_classes_alone() -> None:
    """Nothing differs within a class: it is whitened around the mean of all."""
    support = problem(SINGLE)
    twice = support.part(torch.tensor([0, 1, 2, 3, 4] * 2))
    queries = problem(FULL, seed=1).features
    shares = KernelRidge(ridge=0.2).regression(twice)(queries)
    # Two equal images at twice the ridge count as one.
    x = numbers(support)[0]
    away = x - x.mean(0)
    scatter = 2 * away.T @ away
    root = np.linalg.cholesky(np.linalg.inv(scatter + np.trace(scatter) / 9 * np.eye(6)))
    model = Reference(alpha=0.1, kernel="rbf", gamma=2.0)
    model.fit(unit(away @ root), np.eye(5) - 0.2)
    expected = SURENESS * (model.predict(unit((queries.numpy() - x.mean(0)) @ root)) + 0.2)
    np.testing.assert_allclose(shares.detach().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_more_images_of_an_estimator_are_as_if_all_came_at_once() -> None:
    support = problem(FULL, width=8)
    x, y, text = numbers(support)
    whole = FewShotClassifier.from_features(text, "kernel_ridge").fit(x, y)
    parts = FewShotClassifier.from_features(text, "kernel_ridge").fit(x[:20], y[:20])
    parts.partial_fit(x[20:], y[20:])
    np.testing.assert_allclose(parts.predict_proba(x), whole.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"), [("beta", 0.0), ("ridge", 0.0), ("alpha", -0.1), ("views", 0)]
)
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        KernelRidge(**{name: value})
