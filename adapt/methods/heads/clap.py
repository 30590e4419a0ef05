"""A text-initialised probe, each class held near its text: CLAP (arXiv:2312.12730)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from adapt.methods.base import register
from adapt.methods.features.fitting import Slope, cosine_slope
from adapt.methods.features.support import Support
from adapt.methods.heads.zs_lp import ZsLp


@register("clap")
@dataclass
class Clap(ZsLp):
    """ZS-LP plus `mean over k of p_k * |w_k - t_k|^2`, where prototype w_k begins at text t_k.

    p_k is the mean zero-shot probability of the true class over class k's support, so a class that
    zero-shot knows stays near its text and one that it does not is free to move. Nothing is chosen
    on validation images. The penalty grows with the square of `length`. The encoders stay as they
    are.
    """

    def slope(self, support: Support) -> Slope:
        """Of cross-entropy on cosine logits, and of the penalty."""
        text, cross_entropy = support.text * self.length, cosine_slope(support)
        # The mean over classes, as in the authors' code: a sum would grow with their number.
        held = 2 * penalties(support)[:, None] / support.classes

        def slope(prototypes: Tensor, batch: Tensor) -> Tensor:
            return cross_entropy(prototypes, batch) + held * (prototypes - text)

        return slope


def penalties(support: Support) -> Tensor:
    """Weight of each class's penalty (K,): how sure zero-shot is of the class's own support.

    A class without support images, which nothing can move, gets zero.
    """
    features, targets = support.all_views
    sure = (features @ support.zero_shot.T).softmax(1).gather(1, targets[:, None])[:, 0]
    count = torch.bincount(targets, minlength=support.classes)
    total = torch.zeros(support.classes).index_add(0, targets, sure)
    return total / count.clamp(min=1)
