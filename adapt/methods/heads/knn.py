"""Nearest neighbours among the support images, alone or beside zero-shot."""

from dataclasses import dataclass, replace

import torch

from adapt.data.image_data import ImageData
from adapt.methods.base import check_ranges, register
from adapt.methods.features.base import fit_head, head_only
from adapt.methods.features.cross_validation import best_setting
from adapt.methods.features.support import Support
from adapt.methods.heads.tip_adapter import votes_alone, votes_of
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.training.context import Context

COUNTS = (1, 2, 4, 8, 16, 32)
UNCHOSEN_ALPHA = 2.0


@register("knn")
@dataclass
class KNN:
    """The nearest support images vote for their classes, the nearer the more.

    The vote of an image at cosine c is `exp(-beta * (1 - c))`. Logits are zero-shot's plus
    `alpha` times the votes, or the votes alone. Ties are for the class that comes first.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

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

    def __post_init__(self) -> None:
        checks = {
            "neighbours": (
                self.neighbours is None or self.neighbours >= 1,
                "give null (choose) or 1 or more",
            ),
            "beta": (self.beta >= 0, "give 0 (all alike) or more"),
            "alpha": (self.alpha is None or self.alpha > 0, "give null (choose) or above 0"),
            "views": (self.views >= 1, "give 1 or more"),
        }
        check_ranges(self, checks)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the head alone is fitted."""
        return head_only(start)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Put a head with the support set on a copy of the start."""
        return fit_head(self, start, data, context)

    def head(self, support: Support) -> CacheHead:
        """The neighbours' head; see the class."""
        neighbours, alpha = self.choose(support)
        nothing = torch.zeros_like(support.zero_shot)
        return CacheHead(
            nothing if self.alone else support.zero_shot,
            nothing[:, 0],
            support.features,
            alpha * votes_of(support),
            self.beta,
            neighbours,
        )

    def choose(self, support: Support) -> tuple[int, float]:
        """Neighbours and alpha; what is None is chosen on held-out support images."""
        if self.neighbours is not None and (self.alone or self.alpha is not None):
            return self.neighbours, 1.0 if self.alpha is None else self.alpha
        own, fixed = support, self.alpha
        if self.alone:  # then zero-shot says nothing, and any alpha is as good as another
            own = replace(support, zero_shot=torch.zeros_like(support.zero_shot))
            fixed = 1.0 if fixed is None else fixed
        counts = COUNTS if self.neighbours is None else (self.neighbours,)

        def voting(rest: Support, setting: int) -> CacheHead:
            return votes_alone(rest, self.beta, setting)

        best, strength = best_setting(own, counts, voting, fixed) or (counts[0], UNCHOSEN_ALPHA)
        return best, strength if fixed is None else fixed
