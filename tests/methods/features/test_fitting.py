"""Batches, rates and steps of the heads that descend."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F

from adapt.methods.features.fitting import (
    cosine_slope,
    cross_entropy_slope,
    epochs_of_batches,
    fit_rows,
    warm_cosine,
    within_reach,
)
from adapt.methods.features.support import Support
from tests.helpers.support_problem import problem


def test_a_batch_is_drawn_once_an_epoch_and_from_all_views() -> None:
    support = problem([0, 1, 2, 3, 4] * 2, views=3)
    steps = list(epochs_of_batches(support, 4, 50, 0.1))
    assert [len(batch) for _, batch in steps] == [4] * 100
    for first, second in zip(steps[::2], steps[1::2], strict=True):
        assert len(set(first[1].tolist()) | set(second[1].tolist())) == 8
    assert set(torch.cat([batch for _, batch in steps]).tolist()) == set(range(30))
    again = list(epochs_of_batches(support, 4, 50, 0.1))
    other = list(epochs_of_batches(replace(support, seed=1), 4, 50, 0.1))
    assert all(torch.equal(a[1], b[1]) for a, b in zip(steps, again, strict=True))
    assert not all(torch.equal(a[1], b[1]) for a, b in zip(steps, other, strict=True))


def test_rates_of_both_schedules() -> None:
    """CoOp's: an epoch at 1e-5, then the cosine; cross-modal's: 50 steps up, then the cosine."""
    epochs = [warm_cosine(0.1, epoch, 4) for epoch in range(4)]
    assert epochs == [1e-5, *(0.05 * (1 + math.cos(math.pi * done / 4)) for done in range(3))]
    steps = [warm_cosine(0.1, step, 200, 50) for step in (0, 1, 25, 50, 150)]
    torch.testing.assert_close(torch.tensor(steps), torch.tensor([1e-5, 0.002, 0.05, 0.1, 0.05]))
    assert warm_cosine(1e-7, 0, 9) == 1e-7, "never above the highest rate"


def test_far_logits_are_raised_and_the_right_one_stays() -> None:
    logits = torch.tensor([[0.0, 100.0, -500.0], [0.0, 100.0, -500.0]])
    raised = within_reach(logits, torch.tensor([2, 1]))
    assert raised.tolist() == [[40.0, 100.0, -500.0], [40.0, 100.0, 40.0]]


def test_rows_that_do_not_train_stay_and_count() -> None:
    """One step of SGD by hand on the squared norm of the mean row."""
    start = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    fitted = fit_rows(
        start,
        torch.tensor([0, 2]),
        lambda matrix, _: (2 * matrix.mean(0) / 3).expand_as(matrix),
        lambda tensors: torch.optim.SGD(tensors, lr=0.0),
        [(0.5, torch.tensor([0]))],
    )
    step = 0.5 * 2 * torch.tensor([3.0, 4.0]) / 3
    torch.testing.assert_close(fitted, torch.stack([start[0] - step, start[1], start[2] - step]))


def test_slopes_are_those_of_autograd() -> None:
    """Of cross-entropy on logits, some of them far below the largest, and on cosines."""
    random = torch.Generator().manual_seed(0)
    targets = torch.tensor([0, 2, 1, 2, 2])
    logits = (60 * torch.randn(5, 3, generator=random, dtype=torch.double)).requires_grad_()
    F.cross_entropy(within_reach(logits, targets), targets).backward()
    torch.testing.assert_close(cross_entropy_slope(logits.detach(), targets), logits.grad)

    x = F.normalize(torch.randn(5, 4, generator=random), dim=1)
    text = F.normalize(torch.randn(3, 4, generator=random), dim=1)
    support, batch = Support(x[None], targets, 7 * text), torch.tensor([4, 0, 1])
    directions = torch.randn(3, 4, generator=random, requires_grad=True)
    cosines = x[batch] @ F.normalize(directions, dim=1).T
    F.cross_entropy(7 * cosines, targets[batch]).backward()
    torch.testing.assert_close(cosine_slope(support)(directions.detach(), batch), directions.grad)
