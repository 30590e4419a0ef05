"""Cross-modal probing against numpy; what is in a batch; ranges."""

import numpy as np
import pytest
import torch

from adapt.methods.features.support import Support
from adapt.methods.heads.cross_modal import CrossModal, endless
from tests.helpers.support_problem import (
    ALL,
    SCALE,
    UNEVEN,
    Array,
    directions,
    numbers,
    problem,
    pull,
)

pytestmark = pytest.mark.numerical


def slow(support: Support, order: list[Array], lr: float, decay: float) -> Array:
    """AdamW on images and texts written out, step by step."""
    images, labels, text = numbers(support)
    x, y = np.concatenate([images, text]), np.concatenate([labels, np.arange(len(text))])
    present = np.isin(np.arange(len(text)), labels)[:, None]
    weight, first, second = text.copy(), np.zeros_like(text), np.zeros_like(text)
    for step, batch in enumerate(order):
        rate = lr * (1 + np.cos(np.pi * (step - 50) / len(order))) / 2
        if step < 50:
            rate = 1e-5 if step == 0 else lr * step / 50
        gradient = SCALE * pull(SCALE * weight, x[batch], y[batch]).T @ x[batch]
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, square = first / (1 - 0.9 ** (step + 1)), second / (1 - 0.999 ** (step + 1))
        weight -= present * rate * (decay * weight + mean / (np.sqrt(square) + 1e-8))
    return weight


@pytest.mark.parametrize("targets", [ALL, UNEVEN])
@pytest.mark.parametrize("decay", [0.01, 2.0])
def test_equals_numpy(targets: list[int], decay: float) -> None:
    support = problem(targets, views=2)
    method = CrossModal(lr=0.01, weight_decay=decay, batch_size=6, steps=80)
    order = [batch.numpy() for _, batch in method.batches(2 * len(targets), 5, support.seed)]
    expected = slow(support, order, 0.01, decay)
    np.testing.assert_allclose(directions(method.head(support).weight), expected, atol=5e-5)
    assert np.abs(expected - numbers(support)[2]).max() > 0.05


def test_half_a_batch_is_text() -> None:
    steps = list(CrossModal(batch_size=7, steps=60).batches(20, 9, seed=3))
    assert {(int((b < 20).sum()), int((b >= 20).sum())) for _, b in steps} == {(4, 3)}
    assert set(torch.cat([batch for _, batch in steps]).tolist()) == set(range(29))
    few = list(CrossModal(batch_size=32, steps=2).batches(3, 5, seed=3))
    assert [sorted(batch.tolist()) for _, batch in few] == [list(range(8))] * 2


def test_a_pass_has_each_sample_at_most_once() -> None:
    stream = endless(10, 4, torch.Generator().manual_seed(0))
    for _ in range(20):
        assert len({*next(stream).tolist(), *next(stream).tolist()}) == 8


def test_without_steps_it_is_zero_shot() -> None:
    support = problem(ALL)
    head = CrossModal(steps=0).head(support)
    torch.testing.assert_close(head.weight.detach(), support.zero_shot)
    assert not head.bias.any()


def test_a_class_without_support_keeps_its_text() -> None:
    support = problem(UNEVEN)
    moved = (CrossModal(steps=90).head(support).weight - support.zero_shot).abs().amax(1) > 1e-3
    assert moved.tolist() == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", 0.0), ("weight_decay", -0.1), ("batch_size", 1), ("steps", -1), ("views", 0)],
)
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        CrossModal(**{name: value})
