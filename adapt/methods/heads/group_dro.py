"""A linear head for the worst group: Group-DRO on features (arXiv:1911.08731)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from adapt.common.ranges import Ranges, above, at_least
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.fitting import Step, fit_rows, warm_cosine, within_reach
from adapt.methods.features.groups import SupportGroups
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head
from adapt.training.groups.weights import followed, group_means, margins_of

WARMUP = 50
"""Steps of the linear warm-up."""


@register("group_dro")
@dataclass
class GroupDRO(HeadMethod):
    """Descent on the weighted mean losses of groups, whose weights follow the largest of them.

    A group is a class with a value of the column `groups`; a batch holds every group as often as
    any other. The head has no bias and begins at the text directions; logits are `exp(logit
    scale) * f . w_k`. The paper shows that this needs strong regularisation where training images
    can be learned by heart: weight decay, few steps, and the adjustment. The encoders stay as they
    are; for training inside them see `optim.groups`.
    """

    by_groups: ClassVar[bool] = True
    fits_bias = False

    ranges = Ranges(
        lr=above(),
        weight_decay=at_least(0),
        batch_size=at_least(1),
        steps=at_least(0, "zero-shot"),
        rate=above(),
        adjustment=at_least(0, "off"),
    )

    groups: str = ""
    """Column of the table of training images whose values make groups with the classes; an empty
    text takes the classes alone."""
    lr: float = 1e-3
    """Highest learning rate of AdamW: a linear warm-up of 50 steps, then a cosine."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    batch_size: int = 128
    """Images of a batch."""
    steps: int = 800
    """Number of batches; 0 is zero-shot."""
    rate: float = 0.01
    """Step size of the weights of groups; the authors take 0.01."""
    adjustment: float = 0.0
    """C: to the loss of a group of n images C / sqrt(n) is added before the weights follow it; the
    paper tries 0 to 5."""
    views: int = 1
    """Augmented views of each image, each a sample of its own; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """Rows w_k times exp(logit scale); the bias is zero."""
        images, targets = support.all_views
        groups = SupportGroups.of(support)
        numbers = groups.numbers.repeat(len(support.views))
        weights = torch.full((len(groups.counts),), 1 / len(groups.counts))
        margins = margins_of(groups.counts, self.adjustment)
        samples = support.scale * images

        def slope(weight: Tensor, batch: Tensor) -> Tensor:
            nonlocal weights
            own, wanted, member = samples[batch], targets[batch], numbers[batch]
            logits = own @ weight.T
            near = within_reach(logits, wanted)
            logs = near.log_softmax(1)
            rows = torch.arange(len(batch))
            means, counts = group_means(-logs[rows, wanted], member, len(weights))
            weights = followed(weights, means, self.rate, margins)
            each = logs.exp()
            each[rows, wanted] -= 1
            share = (weights / counts.clamp(min=1))[member]
            return (each.masked_fill(near > logits, 0) * share[:, None]).T @ own

        fitted = fit_rows(
            support.text,
            torch.unique(support.targets),
            slope,
            lambda tensors: torch.optim.AdamW(
                tensors, lr=self.lr, weight_decay=self.weight_decay, fused=True
            ),
            self.batches(numbers, support.seed),
        )
        return linear_head(support.scale * fitted)

    def batches(self, numbers: Tensor, seed: int) -> Iterator[Step]:
        """Learning rate and positions of each step; every group comes equally often.

        Args:
            numbers: Group of each sample.
            seed: Of what is drawn.
        """
        random = torch.Generator().manual_seed(seed)
        chance = 1.0 / torch.bincount(numbers)[numbers].double()
        for step in range(self.steps):
            rows = torch.multinomial(chance, self.batch_size, replacement=True, generator=random)
            yield warm_cosine(self.lr, step, self.steps, WARMUP), rows
