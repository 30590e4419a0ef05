"""Groups of a support set: each class with each value of a column, as far as they occur."""

from dataclasses import dataclass

import torch
from torch import Tensor

from adapt.methods.features.support import Support


@dataclass(frozen=True)
class SupportGroups:
    """The G groups of N images; without attributes they are the classes."""

    numbers: Tensor
    """Group of each image, (N,)."""
    counts: Tensor
    """Images of each group, (G,)."""
    val: Tensor | None
    """Group of each validation image, (M,); those that train lacks have numbers from G on."""

    @classmethod
    def of(cls, support: Support) -> "SupportGroups":
        """Number the groups of a support set.

        >>> targets, features = torch.tensor([0, 1, 1]), torch.eye(2)[[0, 1, 1]]
        >>> own = Support(features[None], targets, torch.eye(2), attributes=torch.tensor([1, 0, 1]))
        >>> SupportGroups.of(own).numbers.tolist()
        [0, 1, 2]
        """
        pairs = _pairs(support.targets, support.attributes)
        known, numbers = torch.unique(pairs, return_inverse=True)
        val = None
        if support.val is not None:
            held = _pairs(support.val[1], support.val_attributes)
            more = torch.unique(held[~torch.isin(held, known)])
            place = {int(pair): number for number, pair in enumerate([*known, *more])}
            val = torch.tensor([place[int(pair)] for pair in held])
        return cls(numbers, torch.bincount(numbers), val)


def worst_accuracy(right: Tensor, groups: Tensor) -> float:
    """The lowest accuracy among the groups that occur.

    Args:
        right: Whether each answer is right, (M,).
        groups: Group of each image, (M,).

    >>> worst_accuracy(torch.tensor([True, False, True]), torch.tensor([0, 0, 1]))
    0.5
    """
    return min(float(right[groups == number].double().mean()) for number in torch.unique(groups))


def _pairs(targets: Tensor, attributes: Tensor | None) -> Tensor:
    if attributes is None:
        return targets
    # Large enough for any number of values: numbers of both sets must agree.
    return targets * 1_000_000 + attributes
