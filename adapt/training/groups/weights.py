"""Weights of groups that follow the worst group (Group-DRO, arXiv:1911.08731)."""

import torch
from torch import Tensor


def group_means(values: Tensor, groups: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The mean of each group, 0 for one without images, and the images of each.

    Args:
        values: Shape (B,).
        groups: Group of each image, shape (B,).
        count: Number G of groups.

    Returns:
        Means and counts, shape (G,).

    >>> group_means(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0, 0, 2]), 3)[0].tolist()
    [2.0, 0.0, 5.0]
    """
    images = torch.bincount(groups, minlength=count).to(values.dtype)
    sums = torch.zeros(count, dtype=values.dtype, device=values.device)
    sums = sums.index_add(0, groups, values)
    return sums / images.clamp(min=1), images


def followed(weights: Tensor, losses: Tensor, rate: float, margins: Tensor) -> Tensor:
    """One step of exponentiated gradient ascent: groups with a large loss get more weight.

    Args:
        weights: Of the groups so far, shape (G,), adding up to 1.
        losses: Mean loss of each group in the batch, shape (G,); 0 for groups without images.
        rate: Step size.
        margins: What is added to each loss, shape (G,); see `margins_of`.

    Returns:
        The new weights, shape (G,).

    Paper: Sagawa et al. 2020, arXiv:1911.08731, Algorithm 1, with the adjustment of its section 3.3
    as in the authors' code.

    >>> followed(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0]), 0.0, torch.zeros(2)).tolist()
    [0.5, 0.5]
    """
    grown = weights * torch.exp(rate * (losses + margins))
    return grown / grown.sum()


def margins_of(counts: Tensor, adjustment: float) -> Tensor:
    """How much larger the loss of a group may be on other images: C / sqrt(n).

    Args:
        counts: Training images of each group, shape (G,).
        adjustment: C.

    >>> margins_of(torch.tensor([4, 16]), 2.0).tolist()
    [1.0, 0.5]
    """
    return adjustment / counts.to(torch.float32).sqrt()
