"""Tip-Adapter-F: a cache of support features whose keys train (arXiv:2207.09519)."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from adapt.common.ranges import Ranges, above, at_least, or_none
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import Weights
from adapt.methods.features.fitting import within_reach
from adapt.methods.features.support import Support
from adapt.methods.heads.caches.tip_adapter import cache, choose_votes
from adapt.models.cache_head import CacheHead

EPSILON = 1e-4
REACH = 30.0
"""Below the largest logit, where a softmax is 1e-13 and its gradient no longer counts."""


@register("tip_adapter_f")
@dataclass
class TipAdapterF(HeadMethod):
    """Tip-Adapter whose keys train on the support set by cross-entropy; everything else stays.

    AdamW with epsilon 1e-4, the rate falling to zero along a cosine. The keys of the last epoch
    are taken: the released code takes the epoch that is best on the test set.
    """

    ranges = Ranges(
        beta=above(),
        alpha=or_none(at_least(0)),
        lr=above(),
        epochs=at_least(0),
        batch_size=at_least(1),
    )

    beta: float = 1.0
    """How fast a vote falls with distance. Sharp votes learn less: an image in training is nearest
    to its own key, and so classified correctly already."""
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

    def head(self, support: Support) -> CacheHead:
        """The zero-shot head with the trained cache beside it."""
        beta, own = choose_votes(support, self.beta, self.alpha)
        # The learning rate is made for logits as sure as zero-shot's.
        head = cache(support, beta, Weights(1.0, own.alpha))
        train_keys(head, support, self.lr, self.epochs, self.batch_size)
        weight, bias = (own.zero_shot * part.detach() for part in (head.weight, head.bias))
        return head.beside(weight, bias, own.zero_shot)


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
    optimizer = torch.optim.AdamW([head.keys], lr=lr, eps=EPSILON, fused=True)
    steps = epochs * math.ceil(len(support.targets) / batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    with torch.enable_grad():
        for epoch in range(epochs):
            features = support.views[epoch % len(support.views)]
            for batch in torch.randperm(len(features), generator=generator).split(batch_size):
                optimizer.zero_grad()
                targets = support.targets[batch]
                logits = within_reach(head(features[batch]), targets, REACH)
                F.cross_entropy(logits, targets).backward()
                optimizer.step()
                schedule.step()
    return head.requires_grad_(True)
