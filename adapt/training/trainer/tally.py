"""What a training has counted so far, as its checkpoints hold it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MultilabelAccuracy

from adapt.training.processes.batches import several
from adapt.training.trainer.collapse import CollapseDetector
from adapt.training.trainer.means import Means
from adapt.training.trainer.numbers import Norms


class Tally:
    """Counts of the epoch so far, and of the steps that were left out.

    A training that goes on within an epoch has the means of the whole epoch in its log.

    Args:
        class_names: See `CollapseDetector`.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.trained, self.norms = Means(), Norms()
        self.answers, self.answers_trained = (CollapseDetector(class_names) for _ in range(2))
        self.skipped = self.skipped_in_a_row = 0

    @property
    def collapse(self) -> str | None:
        """What to say where the last pass told no images apart; nothing where it did."""
        return self.answers.collapse or self.answers_trained.collapse

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint; every process takes part."""
        own = {"trained": self.trained.state_dict(), "answers": self.answers_trained.sums}
        return {
            "processes": of_every_process(own),
            "norms": self.norms.state_dict(),
            "collapse": [self.answers.collapse, self.answers_trained.collapse],
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
        }

    def load_state_dict(self, state: dict[str, Any], rank: int = 0, processes: int = 1) -> None:
        """From the checkpoint; where there are fewer processes than before, some get several sums.

        Args:
            state: What `state_dict` gave.
            rank: Of this process.
            processes: How many there are now.
        """
        own = state["processes"][rank::processes]
        self.trained = Means()
        for each in own:
            self.trained.load_state_dict(each["trained"])
        sums = [each["answers"] for each in own if each["answers"] is not None]
        self.answers_trained.sums = sum(sums[1:], sums[0]) if sums else None
        self.norms.load_state_dict(state["norms"])
        self.answers.collapse, self.answers_trained.collapse = state["collapse"]
        self.skipped, self.skipped_in_a_row = state["skipped"], state["skipped_in_a_row"]


def of_every_process(own: Any) -> list[Any]:
    """What each process has, by rank; all of them call this.

    >>> of_every_process(3)
    [3]
    """
    if not several():
        return [own]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, own)
    return values


SumOfLosses = Callable[[Tensor, Tensor], Tensor]
"""From logits (B, K) and targets to the sum over the images, in nats."""


class LabelAccuracy(MultilabelAccuracy):
    """The fraction of right yes and no answers, of targets in any type."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add some images.

        Args:
            preds: Logits (B, K).
            target: Shape (B, K), 0 or 1.
        """
        super().update(preds.sigmoid(), target.int())


def sum_over_classes(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of one label of each image, summed over the images."""
    return F.cross_entropy(logits, target, reduction="sum")


def sum_over_labels(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of yes and no, summed over images and classes."""
    return F.binary_cross_entropy_with_logits(logits, target.float(), reduction="sum")


def scoring(several: bool, classes: int) -> tuple[Metric, SumOfLosses]:
    """What `val_accuracy` and `val_loss` are.

    Args:
        several: Whether an image may have several labels.
        classes: Number of classes K.

    Returns:
        A metric of logits and targets, and the loss of some images.
    """
    if several:
        return LabelAccuracy(num_labels=classes, average="micro"), sum_over_labels
    return MulticlassAccuracy(num_classes=classes, average="micro"), sum_over_classes
