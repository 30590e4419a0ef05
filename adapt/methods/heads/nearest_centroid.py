"""Nearest class mean on unit features, together with zero-shot (arXiv:1703.05175)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.common.ranges import Ranges, fraction, or_none
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import (
    class_means,
    fill_classes,
    held_out_weights,
)
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head

UNCHOSEN = 0.05


@register("nearest_centroid")
@dataclass
class NearestCentroid(HeadMethod):
    """Compare a feature with the unit mean of each class, and with its text.

    The direction of a class is `(1 - weight) * text + weight * mean`, times exp(logit scale). Each
    view counts as an image. A class without an image gets the average mean of the others: zero-shot
    decides there.
    """

    ranges = Ranges(weight=or_none(fraction()))

    weight: float | None = None
    """Weight of the images, from 0 (zero-shot) to 1 (means alone). None takes the one under which
    held-out support images are explained best, and 0.05 where each class has one image."""
    views: int = 1
    """Augmented views of each image; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """The linear head of the class's directions."""
        weight = choose_weight(support) if self.weight is None else self.weight
        means = support.scale * centroids(support)
        return linear_head(torch.lerp(support.zero_shot, means, weight))


def centroids(support: Support) -> Tensor:
    """The unit mean (K, D) of each class; for a class without images the mean of the others."""
    unit = F.normalize(class_means(support), dim=-1)
    return fill_classes(unit, torch.zeros(len(unit)), support.targets)[0].float()


def choose_weight(support: Support) -> float:
    """The weight under which held-out support images have the least cross-entropy."""
    own = held_out_weights(support, lambda rest: linear_head(support.scale * centroids(rest)))
    return UNCHOSEN if own is None else own.evidence / (own.zero_shot + own.evidence)
