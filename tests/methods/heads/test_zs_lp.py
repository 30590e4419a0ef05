"""ZS-LP against numpy; batches; classes without support; ranges."""

import numpy as np
import pytest
import torch
from torch import Tensor

from adapt.methods.features.support import Support
from adapt.methods.heads.zs_lp import ZsLp
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


def slow(support: Support, batches: list[list[Array]], lr: float, length: float) -> Array:
    """SGD with momentum written out; `batches` of each epoch."""
    x, y, text = numbers(support)
    prototypes, speed = length * text, np.zeros_like(text)
    held = np.isin(np.arange(len(text)), y)[:, None]
    for epoch, own in enumerate(batches):
        for batch in own:
            speed = 0.9 * speed + held * cosine_slope(prototypes, x[batch], y[batch])
            prototypes = prototypes - rate(lr, epoch, len(batches)) * speed
    return unit(prototypes)


@pytest.mark.parametrize("targets", [ALL, UNEVEN])
@pytest.mark.parametrize("views", [1, 3])
def test_equals_numpy_on_all_samples(targets: list[int], views: int) -> None:
    support = problem(targets, views)
    whole = [[np.arange(views * len(targets))]] * 40
    found = directions(ZsLp(epochs=40, length=2.0).head(support).weight)
    expected = slow(support, whole, 0.1, 2.0)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.abs(expected - numbers(support)[2]).max() > 0.05


def test_equals_numpy_on_batches() -> None:
    support = problem(ALL, views=2)
    random = torch.Generator().manual_seed(support.seed)
    epochs = [torch.randperm(24, generator=random).numpy() for _ in range(20)]
    batches = [[order[:5], order[5:10]] for order in epochs]  # twelve images: two batches of five
    found = directions(ZsLp(epochs=20, batch_size=5, length=2.0).head(support).weight)
    np.testing.assert_allclose(found, slow(support, batches, 0.1, 2.0), atol=2e-5)


def test_without_epochs_it_is_zero_shot() -> None:
    support = problem(ALL)
    head = ZsLp(epochs=0).head(support)
    torch.testing.assert_close(head.weight.detach(), support.zero_shot)
    assert not head.bias.any()


def test_a_class_without_support_keeps_its_text() -> None:
    support = problem(UNEVEN)
    moved = (ZsLp(epochs=30).head(support).weight - support.zero_shot).abs().amax(1) > 1e-3
    assert moved.tolist() == [True, True, False, True, False]


def test_order_and_duplicates_do_not_matter() -> None:
    support = problem(ALL)
    twice = Support(support.views.repeat(1, 2, 1), support.targets.repeat(2), support.zero_shot)
    fits: list[Tensor] = [
        ZsLp(epochs=30).head(one).weight for one in (support, shuffled(support), twice)
    ]
    torch.testing.assert_close(fits[1], fits[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(fits[2], fits[0], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", 0.0), ("epochs", -1), ("batch_size", 0), ("length", 0.0), ("views", 0)],
)
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        ZsLp(**{name: value})
