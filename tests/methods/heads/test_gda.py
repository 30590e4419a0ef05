"""GDA against loops in numpy, and against scikit-learn's discriminant analysis."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from adapt.methods.features.cross_validation import Weights, rounds
from adapt.methods.features.support import Support
from adapt.methods.heads.gda import GDA, UNCHOSEN, choose_weights, evidence, precision
from tests.helpers.support_problem import ALL, UNEVEN, Array, numbers, problem, shuffled

pytestmark = pytest.mark.numerical

FULL = ALL * 3
EPS = float(np.finfo(np.float32).eps)


def slow_scatter(x: Array, y: Array) -> Array:
    scatter = np.zeros((x.shape[1], x.shape[1]))
    for row, label in zip(x, y, strict=True):
        away = row - x[y == label].mean(0)
        scatter += np.outer(away, away)
    return scatter


def slow_precision(x: Array, y: Array, images: float = 0.0) -> Array:
    """As the paper's code has it: D pinv((N - 1) cov + trace(cov) I)."""
    covariance = slow_scatter(x, y) / (len(x) - 1)
    scatter = (len(x) - 1) * covariance * (images / len(x) if images else 1.0)
    return x.shape[1] * np.linalg.pinv(scatter + np.trace(covariance) * np.eye(x.shape[1]))


def slow_evidence(x: Array, y: Array, inverse: Array, classes: int) -> tuple[Array, Array]:
    weight, bias = np.zeros((classes, x.shape[1])), np.zeros(classes)
    there = sorted(set(y.tolist()))
    for label in there:
        mean = x[y == label].mean(0)
        weight[label] = inverse @ mean
        bias[label] = np.log(1 / classes) - mean @ inverse @ mean / 2
    for label in set(range(classes)) - set(there):
        weight[label], bias[label] = weight[there].mean(0), bias[there].mean()
    return weight, bias


@pytest.mark.parametrize("targets", [FULL, UNEVEN])
@pytest.mark.parametrize("views", [1, 3])
def test_logits_equal_a_slow_direct_sum(targets: list[int], views: int) -> None:
    support = problem(targets, views)
    x, y, text = numbers(support)
    weight, bias = slow_evidence(x, y, slow_precision(x, y), 5)
    head = GDA(alpha=0.3, views=views).head(support)
    queries = numbers(problem(FULL, seed=1))[0]
    found = head(torch.from_numpy(queries).float()).detach().numpy()
    for row, query in enumerate(queries):
        expected = [20 * text[k] @ query + 0.3 * (weight[k] @ query + bias[k]) for k in range(5)]
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-4)


class Paper(BaseEstimator):
    """The paper's covariance, for scikit-learn, which centres each class itself."""

    def __init__(self, inverse: Array | None = None) -> None:
        self.inverse = inverse

    def fit(self, x: Array) -> "Paper":
        assert self.inverse is not None
        self.covariance_ = np.linalg.inv(self.inverse)
        return self


def test_decisions_equal_scikit_learns_discriminant_analysis() -> None:
    support = problem(FULL)
    x, y, _ = numbers(support)
    estimator = Paper(slow_precision(x, y))
    other = LinearDiscriminantAnalysis(
        solver="lsqr", covariance_estimator=estimator, priors=np.full(5, 0.2)
    ).fit(x, y)
    weight, bias = evidence(support)
    queries = numbers(problem(FULL, seed=1))[0]
    np.testing.assert_allclose(other.means_, [x[y == k].mean(0) for k in range(5)], atol=1e-12)
    np.testing.assert_allclose(
        queries @ weight.numpy().T + bias.numpy(), other.decision_function(queries), atol=1e-8
    )


def test_alpha_zero_is_zero_shot() -> None:
    support = problem(FULL)
    head = GDA(alpha=0.0).head(support)
    assert torch.equal(head.weight, support.zero_shot)
    assert not head.bias.any()


def test_single_images_are_spread_around_the_mean_of_all() -> None:
    support = problem([0, 1, 2, 3, 4])
    x = numbers(support)[0]
    everyone = np.zeros(5, dtype=np.int64)
    expected = slow_precision(x, everyone)
    np.testing.assert_allclose(precision(support).numpy(), expected, rtol=1e-4)
    weight, bias = slow_evidence(x, np.arange(5), expected, 5)
    head = GDA().head(support)
    np.testing.assert_allclose(
        head.weight.detach().numpy(), support.zero_shot.numpy() + UNCHOSEN * weight, atol=1e-3
    )
    np.testing.assert_allclose(head.bias.detach().numpy(), UNCHOSEN * bias, atol=1e-3)


def test_equal_images_say_nothing() -> None:
    support = Support(torch.eye(3)[:1].repeat(4, 1)[None], torch.zeros(4, dtype=torch.long),
                      torch.eye(3))  # fmt: skip
    head = GDA(alpha=1.0).head(support)
    assert torch.equal(head.weight, support.zero_shot)


@pytest.mark.parametrize("targets", [[0, 1, 2, 3, 4] * 2, FULL, UNEVEN, [0, 0, 0, 1, 1, 1, 1]])
@pytest.mark.parametrize("views", [1, 2])
def test_an_image_is_judged_without_itself(
    targets: list[int], views: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By means of other rounds, and the precision of other classes or, of few, of other rounds."""
    seen: list[torch.Tensor] = []

    def remember(*given: torch.Tensor) -> tuple[Weights, float]:
        seen.extend(given)
        return Weights(2.0, 1.0), 0.0

    monkeypatch.setattr("adapt.methods.heads.gda.best_weights", remember)
    support = problem(targets, views)
    own = choose_weights(support)
    assert (own, own.alpha) == (Weights(2.0, 1.0), 0.5)
    zero_shot, found, labels, allowed = seen
    y, turn = np.array(targets), rounds(support).numpy()
    whole = support.features @ support.zero_shot.T
    judged = []
    for at, row in enumerate(zero_shot):
        # A product of some rows rounds unlike one of all rows: 6 terms of at most 20 in float32.
        near, further = (whole - row).abs().amax(1).sort()[0][:2].tolist()
        assert near <= 6 * 20 * EPS < 0.01 < further, "the logits are those of one image"
        image = int((whole - row).abs().amax(1).argmin())
        half = allowed[at].numpy()
        assert half[y[image]]
        assert y[image] == labels[at]
        rest = half[y] & (turn != turn[image])
        apart = ~half[y] if len(set(targets)) >= 4 else rest
        x, own = (numbers(support.part(torch.from_numpy(part)))[0] for part in (apart, rest))
        inverse = slow_precision(x, np.tile(y[apart], views), images=views * len(y))
        weight, bias = slow_evidence(own, np.tile(y[rest], views), inverse, 5)
        expected = weight @ support.features[image].double().numpy() + bias
        np.testing.assert_allclose(found[at].numpy()[half], expected[half], rtol=1e-8)
        judged.append(image)
    assert sorted(judged) == np.flatnonzero(turn >= 0).tolist(), "each image once"


def test_images_weigh_more_where_zero_shot_is_wrong() -> None:
    """The texts of other classes: features lie around the right ones."""
    support = problem(FULL)
    wrong = replace(support, zero_shot=support.zero_shot.roll(1, 0))
    assert choose_weights(wrong).alpha > 10 * choose_weights(support).alpha


def test_the_order_of_images_does_not_matter() -> None:
    support = problem(FULL)
    one, other = GDA().head(support), GDA().head(shuffled(support))
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(one.bias, other.bias, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "value"), [("alpha", -0.1), ("views", 0)])
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        GDA(**{name: value})
