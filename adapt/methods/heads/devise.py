"""DeViSE: a linear map from image features to the vectors of class names (NeurIPS 2013).

Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model": the historical baseline for what
CLIP and LiT do with captions. https://papers.nips.cc/paper/5204
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.common.ranges import Ranges, above, at_least
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head


@register("devise")
@dataclass
class Devise(HeadMethod):
    """Map image features so that the name of the class ranks before all other names, by a margin.

    The loss is the paper's: for each other class max(0, margin - t_own M x + t_other M x), with
    unit image features x and unit text features t, summed over classes. M begins at zero and is
    fitted on all images at once. The paper takes word2vec's vectors and ImageNet's network; here
    they are those of the model.
    """

    fits_bias = False
    ranges = Ranges(
        margin=above(), steps=at_least(1, most=100_000), lr=above(), weight_decay=at_least(0)
    )

    margin: float = 0.1
    """By how much the own name must be nearer than every other one."""
    steps: int = 300
    """Steps of Adam over all images."""
    lr: float = 0.01
    """Their learning rate, which falls to zero by a cosine."""
    weight_decay: float = 1e-4
    """Half the square of the map's entries counts this much."""
    views: int = 1
    """Augmented views of each image, each a sample of its own; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """The product of class vectors and map, times exp(logit scale)."""
        texts, (features, targets) = F.normalize(support.zero_shot, dim=-1), support.all_views
        mapped = nn.Parameter(torch.zeros(texts.shape[1], features.shape[1]))
        adam = torch.optim.Adam([mapped], lr=self.lr)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, self.steps)
        for _ in range(self.steps):
            adam.zero_grad()
            loss = rank_loss(features @ mapped.T @ texts.T, targets, self.margin)
            (loss + self.weight_decay / 2 * mapped.square().sum()).backward()
            adam.step()
            rate.step()
        with torch.no_grad():
            return linear_head(support.scale * texts @ mapped)


def rank_loss(scores: Tensor, targets: Tensor, margin: float) -> Tensor:
    """Mean over images of the sum over other classes of max(0, margin - own + other).

    Args:
        scores: Of each class (N, K).
        targets: Class numbers (N,).
        margin: See `Devise.margin`.

    >>> float(rank_loss(torch.tensor([[0.5, 0.45, 0.0]]), torch.tensor([0]), 0.1))
    0.04999998211860657
    """
    own = scores.gather(1, targets[:, None])
    losses = (margin - own + scores).clamp(min=0)
    return losses.scatter(1, targets[:, None], 0.0).sum(1).mean()
