"""Tip-Adapter-F: a cache of support features whose keys train (arXiv:2207.09519)."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.data.image_data import ImageData
from adapt.methods.base import check_ranges, register
from adapt.methods.features.base import fit_head, head_only
from adapt.methods.features.support import Support
from adapt.methods.heads.tip_adapter import cache, choose_votes
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.training.context import Context

EPSILON = 1e-4
LOWEST = 30.0


@register("tip_adapter_f")
@dataclass
class TipAdapterF:
    """Tip-Adapter whose keys train on the support set by cross-entropy; everything else stays.

    AdamW with epsilon 1e-4, the rate falling to zero along a cosine. The keys of the last epoch
    are taken: the released code takes the epoch that is best on the test set.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    beta: float = 1.0
    """How fast a vote falls with distance. Sharp votes learn less: an image in training is nearest
    to its own key, and so told right already."""
    alpha: float | None = None
    """Strength of the votes; None chooses it before the training, as `tip_adapter` does."""
    lr: float = 1e-3
    """Highest learning rate."""
    epochs: int = 20
    """Passes over the images, one view in each; 0 is Tip-Adapter."""
    batch_size: int = 256
    """Images in one step."""
    views: int = 1
    """Augmented views of each image: a key begins as their mean, an epoch sees one of them. 1 is
    the evaluation view alone."""

    def __post_init__(self) -> None:
        checks = {
            "beta": (self.beta > 0, "give a number above 0"),
            "alpha": (self.alpha is None or self.alpha >= 0, "give null (choose) or 0 or more"),
            "lr": (self.lr > 0, "give a number above 0"),
            "epochs": (self.epochs >= 0, "give 0 or more"),
            "batch_size": (self.batch_size >= 1, "give 1 or more"),
            "views": (self.views >= 1, "give 1 or more"),
        }
        check_ranges(self, checks)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the head alone is fitted."""
        return head_only(start)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Put a head with trained keys on a copy of the start."""
        return fit_head(self, start, data, context)

    def head(self, support: Support) -> CacheHead:
        """The zero-shot head with the trained cache beside it."""
        head = cache(support, *choose_votes(support, self.beta, self.alpha))
        return train_keys(head, support, self.lr, self.epochs, self.batch_size)


def train_keys(
    head: CacheHead, support: Support, lr: float, epochs: int, batch_size: int
) -> CacheHead:
    """Train the keys of a head in place; the order of the images is drawn from `support.seed`.

    Args:
        head: Whose keys move.
        support: Images to train on; epoch e sees view e modulo V.
        lr: Highest learning rate.
        epochs: Passes.
        batch_size: Images in a step.
    """
    generator = torch.Generator().manual_seed(support.seed)
    head.requires_grad_(False)
    head.keys.requires_grad_(True)
    optimizer = torch.optim.AdamW([head.keys], lr=lr, eps=EPSILON)
    steps = epochs * math.ceil(len(support.targets) / batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    with torch.enable_grad():
        for epoch in range(epochs):
            features = support.views[epoch % len(support.views)]
            for batch in _batches(len(features), batch_size, generator):
                optimizer.zero_grad()
                targets = support.targets[batch]
                logits = _without_traces(head(features[batch]), targets)
                F.cross_entropy(logits, targets).backward()
                optimizer.step()
                schedule.step()
    return head.requires_grad_(True)


def _without_traces(logits: Tensor, targets: Tensor) -> Tensor:
    """Wrong classes less probable than 1e-13 all made equally so, which stops their gradient.

    As subnormal numbers these gradients would cost most of the time.
    """
    own = F.one_hot(targets, logits.shape[1]).bool()
    lowest = logits.detach().amax(1, keepdim=True) - LOWEST
    return torch.where(own, logits, torch.maximum(logits, lowest))


def _batches(count: int, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    batches: tuple[Tensor, ...] = torch.randperm(count, generator=generator).split(size)
    return batches
