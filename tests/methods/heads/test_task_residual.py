"""TaskRes against numpy; a residual of nothing; the authors' epochs."""

import numpy as np
import pytest
import torch

from adapt.methods.features.support import Support
from adapt.methods.heads.task_residual import TaskResidual
from tests.helpers.support_problem import (
    ALL,
    UNEVEN,
    Array,
    cosine_slope,
    directions,
    numbers,
    problem,
    rate,
    shuffled,
    unit,
)

pytestmark = pytest.mark.numerical


def slow(support: Support, epochs: int, scale: float, decay: float) -> Array:
    """Adam on the residual written out, with L2 in the gradient; all samples at once."""
    x, y, text = numbers(support)
    present = np.isin(np.arange(len(text)), y)[:, None]
    residual, first, second = np.zeros_like(text), np.zeros_like(text), np.zeros_like(text)
    for epoch in range(epochs):
        gradient = scale * cosine_slope(text + scale * residual, x, y) + decay * residual
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, square = first / (1 - 0.9 ** (epoch + 1)), second / (1 - 0.999 ** (epoch + 1))
        residual -= present * rate(0.01, epoch, epochs) * mean / (np.sqrt(square) + 1e-8)
    return unit(text + scale * residual)


@pytest.mark.parametrize("targets", [ALL, UNEVEN])
@pytest.mark.parametrize(("scale", "decay"), [(0.5, 5e-4), (1.0, 0.3)])
def test_equals_numpy(targets: list[int], scale: float, decay: float) -> None:
    support = problem(targets)
    method = TaskResidual(scale, lr=0.01, epochs=40, weight_decay=decay, length=1.0)
    expected = slow(support, 40, scale, decay)
    np.testing.assert_allclose(directions(method.head(support).weight), expected, atol=5e-5)
    assert np.abs(expected - numbers(support)[2]).max() > 0.03


def test_without_residual_it_is_zero_shot() -> None:
    support = problem(ALL)
    head = TaskResidual(scale=0.0, epochs=5).head(support)
    torch.testing.assert_close(head.weight.detach(), support.zero_shot)
    assert not head.bias.any()


@pytest.mark.parametrize(("shots", "epochs"), [(7, 100), (8, 200)])
def test_epochs_follow_the_shots(shots: int, epochs: int) -> None:
    support = problem([0, 1, 3] * shots)
    by_shots, given = TaskResidual().head(support), TaskResidual(epochs=epochs).head(support)
    assert torch.equal(by_shots.weight, given.weight)


def test_a_class_without_support_keeps_its_text() -> None:
    support = problem(UNEVEN)
    moved = (TaskResidual().head(support).weight - support.zero_shot).abs().amax(1) > 1e-3
    assert moved.tolist() == [True, True, False, True, False]


def test_order_does_not_matter() -> None:
    support = problem(ALL)
    fits = [TaskResidual(epochs=30).head(one).weight for one in (support, shuffled(support))]
    torch.testing.assert_close(fits[1], fits[0], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", -0.5),
        ("lr", 0.0),
        ("epochs", -1),
        ("batch_size", 0),
        ("weight_decay", -1.0),
        ("length", 0.0),
        ("views", 0),
    ],
)
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        TaskResidual(**{name: value})
