"""CLAP against numpy, its penalties by hand."""

import math

import numpy as np
import pytest
import torch

from adapt.methods.features.support import Support
from adapt.methods.heads.clap import Clap, penalties
from adapt.methods.heads.zs_lp import ZsLp
from tests.helpers.support_problem import (
    ALL,
    SCALE,
    UNEVEN,
    Array,
    cosine_slope,
    directions,
    numbers,
    problem,
    rate,
    shuffled,
    softmax,
    unit,
)

pytestmark = pytest.mark.numerical


def slow_penalties(support: Support) -> Array:
    """Mean zero-shot probability of the own class, one image at a time."""
    x, y, text = numbers(support)
    sure: list[list[float]] = [[] for _ in text]
    for features, target in zip(x, y, strict=True):
        sure[target].append(float(softmax(SCALE * text @ features)[target]))
    return np.array([np.mean(own) if own else 0.0 for own in sure])


def slow(support: Support, epochs: int, lr: float, length: float) -> Array:
    """Full-batch SGD with momentum, the penalty's gradient added."""
    x, y, text = numbers(support)
    start, held = length * text, slow_penalties(support)[:, None]
    present = np.isin(np.arange(len(text)), y)[:, None]
    prototypes, speed = start.copy(), np.zeros_like(start)
    for epoch in range(epochs):
        slope = cosine_slope(prototypes, x, y) + 2 * held * (prototypes - start) / len(text)
        speed = 0.9 * speed + present * slope
        prototypes = prototypes - rate(lr, epoch, epochs) * speed
    return unit(prototypes)


def test_penalties_by_hand() -> None:
    """Two images of class 0, one on its text and one on that of class 1; none of class 2."""
    support = Support(torch.eye(3)[None, [0, 1, 1]], torch.tensor([0, 0, 1]), 2 * torch.eye(3))
    right, wrong = math.e**2 / (math.e**2 + 2), 1 / (math.e**2 + 2)
    expected = torch.tensor([(right + wrong) / 2, right, 0.0])
    torch.testing.assert_close(penalties(support), expected)


@pytest.mark.parametrize("targets", [ALL, UNEVEN])
@pytest.mark.parametrize("views", [1, 3])
def test_equals_numpy(targets: list[int], views: int) -> None:
    support = problem(targets, views)
    np.testing.assert_allclose(penalties(support).numpy(), slow_penalties(support), atol=1e-6)
    found = directions(Clap(epochs=40, length=3.0).head(support).weight)
    expected = slow(support, 40, 0.1, 3.0)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    free = directions(ZsLp(epochs=40, length=3.0).head(support).weight)
    text = numbers(support)[2]
    assert np.linalg.norm(found - text) < 0.95 * np.linalg.norm(free - text)


def test_without_epochs_it_is_zero_shot() -> None:
    support = problem(ALL)
    torch.testing.assert_close(Clap(epochs=0).head(support).weight.detach(), support.zero_shot)


def test_a_class_without_support_keeps_its_text() -> None:
    support = problem(UNEVEN)
    moved = (Clap(epochs=30).head(support).weight - support.zero_shot).abs().amax(1) > 1e-3
    assert moved.tolist() == [True, True, False, True, False]


def test_order_does_not_matter() -> None:
    support = problem(ALL)
    fits = [Clap(epochs=30).head(one).weight for one in (support, shuffled(support))]
    torch.testing.assert_close(fits[1], fits[0], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", -1.0), ("epochs", -1), ("batch_size", 0), ("length", -2.0), ("views", 0)],
)
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        Clap(**{name: value})
