"""Nearest neighbours among the support images, alone or beside zero-shot."""

from dataclasses import dataclass, replace

import torch

from adapt.common.ranges import Ranges, above, at_least, or_none
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import Weights, best_setting
from adapt.methods.features.support import Support
from adapt.methods.heads.caches.tip_adapter import cache, held_out_votes
from adapt.models.cache_head import CacheHead

COUNTS = (1, 2, 4, 8, 16, 32)
UNCHOSEN_ALPHA = 2.0


@register("knn")
@dataclass
class KNN(HeadMethod):
    """The nearest support images vote for their classes; closer ones count more.

    The vote of an image at cosine c is `exp(-beta * (1 - c))`. Logits are zero-shot's plus
    `alpha` times the votes, or the votes alone. Ties are for the class that comes first.
    """

    ranges = Ranges(
        neighbours=or_none(at_least(1)), beta=at_least(0, "all alike"), alpha=or_none(above())
    )

    neighbours: int | None = None
    """How many of the nearest images vote. None takes the one of 1, 2, 4, .. 32 with the most right
    answers on held-out support images, and 1 where each class has one image; more than there are
    images means all."""
    beta: float = 16.0
    """How fast a vote falls with distance; 0 lets all neighbours count alike."""
    alone: bool = False
    """Leave zero-shot out: the votes decide, and a class without images is never the answer."""
    alpha: float | None = None
    """Strength of the votes beside zero-shot. None chooses it on held-out support images, and takes
    2 where each class has one image. Alone it changes nothing but how sure the votes are; None is
    1 there."""
    views: int = 1
    """Augmented views of each image, of which the stored feature is the mean; 1 is the evaluation
    view alone."""

    def head(self, support: Support) -> CacheHead:
        """The neighbours' head; see the class."""
        neighbours, own = self.choose(support)
        return cache(support, self.beta, own, neighbours, self.alone)

    def choose(self, support: Support) -> tuple[int, Weights]:
        """Neighbours and weights; what is None is chosen on held-out support images."""
        if self.neighbours is not None and (self.alone or self.alpha is not None):
            return self.neighbours, Weights(1.0, 1.0 if self.alpha is None else self.alpha)
        own, fixed = support, self.alpha
        if self.alone:  # then zero-shot says nothing, and any alpha is as good as another
            own = replace(support, zero_shot=torch.zeros_like(support.zero_shot))
            fixed = 1.0 if fixed is None else fixed
        counts = COUNTS if self.neighbours is None else (self.neighbours,)

        votes = held_out_votes(own)
        chosen = best_setting(own, counts, lambda setting: votes(self.beta, setting), fixed)
        strength = UNCHOSEN_ALPHA if fixed is None else fixed
        return chosen or (counts[0], Weights(1.0, strength))
