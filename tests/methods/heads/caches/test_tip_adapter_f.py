"""Tip-Adapter-F: keys that train, against gradients written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from adapt.methods.features.support import Support
from adapt.methods.heads.caches.tip_adapter import TipAdapter
from adapt.methods.heads.caches.tip_adapter_f import TipAdapterF, train_keys
from adapt.models.cache_head import CacheHead
from tests.helpers.support_problem import ALL, Array, numbers, problem, softmax

pytestmark = pytest.mark.numerical

FULL = ALL * 3
BETA, ALPHA = 2.0, 1.5


def parts(head: CacheHead) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in head.state_dict().items()}


def test_without_epochs_it_is_tip_adapter() -> None:
    support = problem(FULL, views=2)
    plain = parts(TipAdapter(beta=BETA).head(support))
    found = parts(TipAdapterF(beta=BETA, epochs=0).head(support))
    assert plain.keys() == found.keys()
    for name in plain:
        torch.testing.assert_close(found[name], plain[name], rtol=1e-6, atol=0)


def slope(keys: Array, x: Array, y: Array, labels: Array, text: Array) -> Array:
    """Gradient of the mean cross-entropy in the keys, one image and one key at a time."""
    total = np.zeros_like(keys)
    for row, label in zip(x, y, strict=True):
        votes = np.exp(-BETA * (1 - keys @ row))
        p = softmax(20 * text @ row + ALPHA * np.eye(5)[labels].T @ votes)
        p[label] -= 1
        for key in range(len(keys)):
            total[key] += p[labels[key]] * ALPHA * BETA * votes[key] * row / len(y)
    return total


def slow_keys(support: Support, lr: float, epochs: int, batch: int) -> Array:
    """AdamW by hand: betas 0.9 and 0.999, epsilon 1e-4, weight decay 0.01, a cosine by step."""
    views, text = support.views.double().numpy(), numbers(support)[2]
    keys, labels = support.features.double().numpy(), support.targets.numpy()
    first, second = np.zeros_like(keys), np.zeros_like(keys)
    generator = torch.Generator().manual_seed(support.seed)
    per_epoch = -(-len(labels) // batch)
    step, steps = 0, epochs * per_epoch
    for epoch in range(epochs):
        order = torch.randperm(len(labels), generator=generator).numpy()
        for at in range(0, len(labels), batch):
            chosen = order[at : at + batch]
            rate = lr * (1 + np.cos(np.pi * step / steps)) / 2
            gradient = slope(keys, views[epoch % len(views)][chosen], labels[chosen], labels, text)
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            size = np.sqrt(second / (1 - 0.999**step)) + 1e-4
            keys = keys * (1 - rate * 0.01) - rate * first / (1 - 0.9**step) / size
    return keys


@pytest.mark.parametrize(("views", "batch"), [(1, 256), (2, 8)])
def test_keys_equal_adamw_by_hand(views: int, batch: int) -> None:
    support = problem(ALL, views)
    method = TipAdapterF(BETA, ALPHA, lr=0.02, epochs=3, batch_size=batch, views=views)
    found = method.head(support)
    keys = slow_keys(support, 0.02, 3, batch)
    assert np.abs(keys - support.features.numpy()).max() > 0.02
    np.testing.assert_allclose(found.keys.detach().numpy(), keys, atol=1e-4)


def test_only_the_keys_train() -> None:
    support = problem(FULL)
    before = parts(TipAdapter(BETA, ALPHA).head(support))
    after = parts(TipAdapterF(BETA, ALPHA).head(support))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"keys"}


def test_training_lowers_the_loss_of_what_it_sees() -> None:
    support = problem(FULL)

    @torch.no_grad()
    def loss(head: CacheHead) -> float:
        logits = head(support.features)
        return float(torch.nn.functional.cross_entropy(logits, support.targets))

    begun = TipAdapter(BETA, ALPHA).head(support)
    assert loss(TipAdapterF(BETA, ALPHA, lr=0.01).head(support)) < loss(begun) - 0.05


def test_probabilities_too_small_to_matter_change_nothing() -> None:
    """Logits that are hundreds apart: without an end their subnormal numbers are merely slow."""
    support = problem(FULL)
    far = replace(support, zero_shot=40 * support.zero_shot)
    start = TipAdapter(BETA, ALPHA).head(far)
    assert (start(far.features).amax(1) - start(far.features).amin(1)).max() > 200
    trained = train_keys(TipAdapter(BETA, ALPHA).head(far), far, 1e-2, 2, 256)
    keys = TipAdapter(BETA, ALPHA).head(far).keys
    moving = keys.detach().clone().requires_grad_(True)
    optimizer = torch.optim.AdamW([moving], lr=1e-2, eps=1e-4)
    for rate in (1e-2, 0.5e-2):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        votes = torch.exp(-BETA * (1 - far.features @ moving.T))
        logits = far.features @ far.zero_shot.T
        logits = logits + ALPHA * votes @ torch.nn.functional.one_hot(far.targets, 5).float()
        torch.nn.functional.cross_entropy(logits, far.targets).backward()
        optimizer.step()
    torch.testing.assert_close(trained.keys, moving, atol=1e-6, rtol=0)


def test_the_seed_draws_the_order() -> None:
    support = problem(FULL)
    make = TipAdapterF(BETA, ALPHA, lr=0.01, epochs=2, batch_size=4)
    first, again = make.head(support), make.head(support)
    other = make.head(replace(support, seed=7))
    assert torch.equal(first.keys, again.keys)
    assert not torch.equal(first.keys, other.keys)


@pytest.mark.parametrize(
    ("name", "value"),
    [("beta", 0.0), ("alpha", -0.1), ("lr", 0.0), ("epochs", -1), ("batch_size", 0), ("views", 0)],
)
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        TipAdapterF(**{name: value})
