"""The loss of the worst group: Group-DRO for every gradient method (arXiv:1911.08731)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.data.loading.groups import Groups
from adapt.models.classifier import Classifier
from adapt.training.groups.weights import followed, group_means, margins_of

Batch = dict[str, Tensor]
Answers = Callable[[Classifier, Batch, torch.Generator], tuple[Tensor, Tensor, Tensor | None]]
"""From a batch to its logits (B, K) and targets (B,), and what is not looked at here."""

Outcome = tuple[Tensor, tuple[Tensor, ...]]
"""The loss, and the logits that it was made of."""


@dataclass(frozen=True)
class Following:
    """How weights of groups follow their losses."""

    rate: float
    """Step size."""
    adjustment: float = 0.0
    """C of `margins_of`."""
    label_smoothing: float = 0.0
    """Of the cross-entropy: fraction of the target spread over all classes."""


class WorstGroup(nn.Module):
    """Sum over groups of weight times mean cross-entropy; weights follow the largest losses.

    In each step the weights first rise with the losses of the batch, then the loss is taken with
    them, as in the authors' code. A module, so that checkpoints hold the weights. A step that is
    computed again, and a teacher that is asked about the same batch, does not move them twice.

    Args:
        groups: Of the training images, which a batch names by their `index`.
        following: How the weights move.
        answers: What the classifier says of a batch: `CrossEntropy.answers`.

    Paper: Sagawa et al. 2020, arXiv:1911.08731.
    """

    whole_batch: ClassVar[bool] = True
    """The loss of a batch is not the mean of the losses of its parts."""
    weights: Tensor
    before: Tensor
    numbers: Tensor
    margins: Tensor
    step: Tensor

    def __init__(self, groups: Groups, following: Following, answers: Answers) -> None:
        super().__init__()
        count = len(groups.names)
        self.following, self.answers = following, answers
        equal = torch.full((count,), 1 / count)
        self.register_buffer("weights", equal)
        self.register_buffer("before", equal.clone())
        self.register_buffer("step", torch.tensor(-1))
        self.register_buffer("numbers", torch.from_numpy(groups.numbers), persistent=False)
        margins = margins_of(torch.from_numpy(groups.counts), following.adjustment)
        self.register_buffer("margins", margins, persistent=False)

    def forward(self, classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        """Loss and logits of a batch."""
        number = generator.initial_seed()
        logits, target, _ = self.answers(classifier, batch, generator)
        losses = F.cross_entropy(
            logits.float(), target, label_smoothing=self.following.label_smoothing, reduction="none"
        )
        groups = self.numbers.to(losses.device)[batch["index"]]
        means, _ = group_means(losses, groups, len(self.weights))
        if torch.is_grad_enabled():
            self._follow(means.detach(), number)
        return means @ self.weights.to(means.device), (logits,)

    def _follow(self, losses: Tensor, number: int) -> None:
        """Move the weights, from where they were before this step."""
        if int(self.step) != number:
            self.before, self.step = self.weights.clone(), torch.tensor(number)
        after = followed(
            self.before.to(losses), losses, self.following.rate, self.margins.to(losses)
        )
        if bool(torch.isfinite(after).all()):  # a step without numbers is left out
            self.weights = after.to(self.weights.device)
