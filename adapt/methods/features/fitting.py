"""Gradient descent on the rows of a head: slopes, batches and loop that few-shot methods share.

Gradients are written out: recording such small sums for autograd takes longer than they do.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from adapt.methods.features.support import Support
from adapt.models.heads import linear_head

WARMUP_LR = 1e-5
"""Learning rate of the first epoch, in CoOp's code and all that follow it."""
Step = tuple[float, Tensor]
"""Learning rate, and positions of the samples of one batch."""
Slope = Callable[[Tensor, Tensor], Tensor]
"""From a matrix with one row per class and the positions of a batch to the gradient of a loss."""
SHORTEST = 1e-12
"""Length below which a direction is not made longer, as in `torch.nn.functional.normalize`."""


def classes_with_support(targets: Tensor) -> Tensor:
    """Numbers of the classes that have an image, ascending.

    >>> classes_with_support(torch.tensor([2, 0, 2]))
    tensor([0, 2])
    """
    numbers: Tensor = torch.unique(targets)
    return numbers


def warm_cosine(lr: float, step: int, steps: int, warmup: int = 1) -> float:
    """1e-5, a rise to `lr`, then a cosine towards zero (CoOp, arXiv:2109.01134).

    As in CoOp's code, the cosine is as long as the training and begins after the warm-up, so it
    ends above zero.

    Args:
        lr: Highest learning rate.
        step: 0 to `steps` - 1; of epochs or of batches.
        steps: Length of the cosine.
        warmup: Steps before the cosine.

    >>> [warm_cosine(0.1, epoch, 2) for epoch in range(2)]
    [1e-05, 0.1]
    """
    if step == 0:
        return min(lr, WARMUP_LR)
    if step < warmup:
        return lr * step / warmup
    return lr * (1 + math.cos(math.pi * (step - warmup) / steps)) / 2


def epochs_of_batches(support: Support, batch_size: int, epochs: int, lr: float) -> Iterator[Step]:
    """Batches drawn from all views of the support images, in a new order each epoch.

    An epoch has as many whole batches as there are images for, at least one, however many views
    there are: more views make samples more varied, not training longer.

    Args:
        support: Samples are numbered as in its `all_views`; its seed fixes the orders.
        batch_size: Samples of a batch; fewer when there are not so many.
        epochs: Number of epochs.
        lr: Highest learning rate of `warm_cosine`.
    """
    random = torch.Generator().manual_seed(support.seed)
    views, images = support.views.shape[:2]
    count, size = max(1, images // batch_size), min(batch_size, images * views)
    for epoch in range(epochs):
        order = torch.randperm(images * views, generator=random)
        for batch in order[: count * size].split(size):
            yield warm_cosine(lr, epoch, epochs), batch


def within_reach(logits: Tensor, targets: Tensor, reach: float = 60.0) -> Tensor:
    """Logits of wrong classes raised to 60 below their row's largest, where a softmax is 1e-26.

    Lower ones make numbers too small for single precision's normal form, with which processors
    are many times slower. That of the right class, whose gradient is never small, stays.

    Args:
        logits: Shape (N, K).
        targets: Class numbers (N,).
        reach: How far below the largest.

    >>> within_reach(torch.tensor([[0.0, 100.0, 90.0, 1.0]]), torch.tensor([3]))
    tensor([[ 40., 100.,  90.,   1.]])
    """
    floor = (logits.detach().amax(1, keepdim=True) - reach).expand_as(logits)
    return torch.maximum(logits, floor.scatter(1, targets[:, None], -torch.inf))


def cross_entropy_slope(logits: Tensor, targets: Tensor) -> Tensor:
    """The gradient (N, K) of the mean cross-entropy by logits that are held `within_reach`.

    Args:
        logits: Shape (N, K).
        targets: Class numbers (N,).

    >>> cross_entropy_slope(torch.zeros(1, 2), torch.tensor([0]))
    tensor([[-0.5000,  0.5000]])
    """
    near = within_reach(logits, targets)
    slope = near.softmax(1)
    slope[torch.arange(len(targets)), targets] -= 1
    return slope.masked_fill_(near > logits, 0).div_(len(targets))


def cosine_slope(support: Support) -> Slope:
    """Of the cross-entropy of the support's views when logits are cosines times exp(logit scale).

    Args:
        support: Samples are numbered as in its `all_views`.

    >>> support = Support(torch.eye(2)[None], torch.tensor([0, 1]), 2 * torch.eye(2))
    >>> cosine_slope(support)(5 * torch.eye(2), torch.tensor([0]))  # only a turn changes a cosine
    tensor([[0.0000, 0.0000],
            [0.0477, 0.0000]])
    """
    features, targets = support.all_views
    features = support.scale * features

    def slope(directions: Tensor, batch: Tensor) -> Tensor:
        own = features.index_select(0, batch)  # seven times as fast as features[batch]
        length = directions.norm(dim=-1, keepdim=True).clamp(min=SHORTEST)
        unit = directions / length
        by_unit = cross_entropy_slope(own @ unit.T, targets[batch]).T @ own
        along = (by_unit * unit).sum(1, keepdim=True)
        return by_unit.addcmul_(along, unit, value=-1).div_(length)

    return slope


def cosine_head(support: Support, directions: Tensor) -> nn.Linear:
    """The head whose logits are cosines with the directions (K, D) times exp(logit scale)."""
    return linear_head(support.scale * F.normalize(directions, dim=-1))


def fit_rows(
    start: Tensor,
    rows: Tensor,
    slope: Slope,
    make_optimizer: Callable[[list[Tensor]], Optimizer],
    steps: Iterable[Step],
) -> Tensor:
    """Descend on some rows of a matrix; the others stay and still count in the loss.

    Args:
        start: Where to begin, (K, D).
        rows: Numbers of the rows that train: the classes with support images.
        slope: Of the loss, at the whole matrix.
        make_optimizer: Of the tensor that trains.
        steps: Learning rate and positions of each step.

    Returns:
        The matrix (K, D).
    """
    moving, every = start[rows].clone().requires_grad_(True), len(rows) == len(start)
    optimizer = make_optimizer([moving])

    def matrix() -> Tensor:
        own = moving.detach()
        return own if every else start.index_copy(0, rows, own)

    for lr, batch in steps:
        for group in optimizer.param_groups:
            group["lr"] = lr
        gradient = slope(matrix(), batch)
        moving.grad = gradient if every else gradient[rows]
        optimizer.step()
    return matrix().clone()
