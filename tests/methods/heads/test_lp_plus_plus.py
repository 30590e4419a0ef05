"""LP++: the released steps in numpy, and the clean one against a direct solve by scipy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from adapt.methods.features.fitting import classes_with_support
from adapt.methods.features.support import Support
from adapt.methods.heads.lp_plus_plus import (
    LpPlusPlus,
    LpPlusPlusClean,
    released_rates,
    released_start,
)
from tests.helpers.support_problem import (
    ALL,
    SCALE,
    UNEVEN,
    Array,
    cross_entropy,
    numbers,
    problem,
    pull,
    shuffled,
)

pytestmark = pytest.mark.numerical


def slow_released(support: Support, bias: Array, epochs: int) -> list[tuple[Array, Array]]:
    """Weight and bias of the head after each epoch."""
    x, y, text = numbers(support)
    rows = np.unique(y)
    t = text[rows]
    weight = np.stack([x[y == k].sum(0) for k in rows])
    cosines = [np.mean([f @ text[k] for f in x[y == k]]) for k in rows]
    alpha = np.full(len(rows), 250 * np.mean(cosines))
    lr = 4 * len(x) / np.linalg.eigvalsh(x.T @ x).max()
    alpha_lr = len(x) / (4 * ((x @ text.T) ** 2).sum(0).max())
    speed, bias_speed, total = np.zeros_like(weight), np.zeros_like(bias), np.zeros_like(alpha)
    heads = []
    for epoch in range(epochs):
        full, offset = SCALE * text, np.zeros(len(text))
        full[rows], offset[rows] = weight + alpha[:, None] * t, bias
        slope = pull(full, x, y, offset)[:, rows]
        speed = 0.9 * speed + slope.T @ x
        bias_speed = 0.9 * bias_speed + slope.sum(0)
        total = total + (slope * (x @ t.T)).sum(0)
        weight, bias = weight - lr * speed, bias - lr * bias_speed
        if epoch % 10 == 9:
            alpha = alpha - alpha_lr * total
        full, offset = SCALE * text, np.zeros(len(text))
        full[rows], offset[rows] = weight + alpha[:, None] * t, bias
        heads.append((full, offset))
    return heads


@pytest.mark.parametrize("targets", [ALL, UNEVEN])
def test_released_equals_numpy(targets: list[int]) -> None:
    support = problem(targets)
    rows = classes_with_support(support.targets)
    start = released_start(support, rows)
    bias = start[1].detach().double().numpy()
    assert np.abs(bias).max() <= support.views.shape[2] ** -0.5
    weight, offset = slow_released(support, bias, 35)[-1]
    head = LpPlusPlus(epochs=35).head(support)
    np.testing.assert_allclose(head.weight.detach().numpy(), weight, atol=3e-3)
    np.testing.assert_allclose(head.bias.detach().numpy(), offset, atol=3e-4)


def test_released_keeps_the_epoch_of_best_val() -> None:
    support, other = problem(ALL), problem(ALL, seed=0, views=4)
    x, y = other.all_views
    held = replace(support, val=(x, y))
    bias = released_start(support, classes_with_support(y))[1].detach().double().numpy()
    heads = slow_released(support, bias, 25)
    right = [((x.numpy() @ w.T + b).argmax(1) == y.numpy()).mean() for w, b in heads]
    best = max(epoch for epoch, share in enumerate(right) if share == max(right))
    assert best < 24, "the last epoch must not be the best here"
    found = LpPlusPlus(epochs=25, select_on_val=True).head(held)
    np.testing.assert_allclose(found.weight.detach().numpy(), heads[best][0], atol=3e-3)
    assert torch.equal(
        LpPlusPlus(epochs=25).head(held).weight, LpPlusPlus(epochs=25).head(support).weight
    )


def test_released_rates() -> None:
    support = problem(ALL)
    x, _, text = numbers(support)
    expected = (
        4 * len(x) / np.linalg.norm(x, ord=2) ** 2,
        len(x) / (4 * max(sum((f @ t) ** 2 for f in x) for t in text)),
    )
    np.testing.assert_allclose(released_rates(support.features, support.text), expected, rtol=1e-5)


def direct(support: Support, c: float) -> tuple[Array, float]:
    """W and alpha by scipy's L-BFGS; the head, and the loss there."""
    x, y, text = numbers(support)
    rows = np.unique(y)
    t, shape, weight_of_penalty = text[rows], text[rows].shape, 1 / (c * len(x))

    def head(free: Array) -> tuple[Array, Array, Array]:
        w, alpha = free[: t.size].reshape(shape), free[t.size :]
        full = SCALE * text
        full[rows] = w + alpha[:, None] * t
        return full, w, alpha

    def loss(free: Array) -> tuple[float, Array]:
        full, w, alpha = head(free)
        penalty = ((w**2).sum() + ((alpha - SCALE) ** 2).sum()) * weight_of_penalty / 2
        slope = pull(full, x, y)[:, rows].T @ x
        of_alpha = (slope * t).sum(1) + weight_of_penalty * (alpha - SCALE)
        gradient = np.concatenate([(slope + weight_of_penalty * w).ravel(), of_alpha])
        return cross_entropy(full, x, y) + penalty, gradient

    start = np.concatenate([np.zeros(t.size), np.full(len(rows), SCALE)])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"gtol": 1e-11, "ftol": 1e-16}
    )
    return head(found.x)[0], float(found.fun)


@pytest.mark.parametrize("targets", [ALL, UNEVEN, [0], [2, 2, 2]])
@pytest.mark.parametrize("c", [0.1, 10.0, 1000.0])
def test_clean_equals_a_direct_solve(targets: list[int], c: float) -> None:
    support = problem(targets, width=30 if c == 10.0 else 6)  # more and less than images
    expected, _ = direct(support, c)
    head = LpPlusPlusClean(c, iterations=20000, tolerance=1e-9).head(support)
    np.testing.assert_allclose(head.weight.detach().numpy(), expected, atol=1e-3)
    assert not head.bias.any()


@pytest.mark.parametrize("c", [1.0, 100.0])
def test_default_tolerance_is_near_the_minimum(c: float) -> None:
    support = problem(ALL * 4, width=12)
    x, y, text = numbers(support)
    _, smallest = direct(support, c)
    weight = LpPlusPlusClean(c).head(support).weight.detach().double().numpy()
    along = ((weight * text).sum(1) - SCALE) / 2
    rest = weight - SCALE * text
    penalty = ((rest**2).sum() - 2 * (along**2).sum()) / (2 * c * len(x))
    assert cross_entropy(weight, x, y) + penalty < smallest + 2e-3


def test_clean_is_zero_shot_when_held() -> None:
    support = problem(ALL)
    held = LpPlusPlusClean(1e-7).head(support).weight.detach()
    torch.testing.assert_close(held, support.zero_shot, atol=1e-4, rtol=0)
    assert (LpPlusPlusClean().head(support).weight - support.zero_shot).abs().max() > 1


@pytest.mark.parametrize("method", [LpPlusPlus(epochs=40), LpPlusPlusClean()])
def test_a_class_without_support_keeps_its_logits(method: LpPlusPlus | LpPlusPlusClean) -> None:
    support = problem(UNEVEN)
    head = method.head(support)
    moved = (head.weight - support.zero_shot).abs().amax(1) > 1e-3
    assert moved.tolist() == [True, True, False, True, False]
    assert not head.bias[[2, 4]].any()


@pytest.mark.parametrize("method", [LpPlusPlus(epochs=40), LpPlusPlusClean()])
def test_order_does_not_matter(method: LpPlusPlus | LpPlusPlusClean) -> None:
    support = problem(ALL)
    fits = [method.head(one).weight for one in (support, shuffled(support))]
    torch.testing.assert_close(fits[1], fits[0], atol=2e-2, rtol=0)


def test_duplicates_change_nothing_but_c() -> None:
    support = problem(ALL)
    twice = Support(support.views.repeat(1, 2, 1), support.targets.repeat(2), support.zero_shot)
    once = LpPlusPlusClean(10.0, tolerance=1e-7).head(support).weight
    both = LpPlusPlusClean(5.0, tolerance=1e-7).head(twice).weight
    torch.testing.assert_close(both, once, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("C", 0.0), ("iterations", 0), ("tolerance", 0.0), ("views", 0)],
)
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        LpPlusPlusClean(**{name: value})


@pytest.mark.parametrize("name", ["epochs", "views"])
def test_ranges_of_the_released(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - 0 - give"):
        LpPlusPlus(**{name: 0})
