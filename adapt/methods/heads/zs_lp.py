"""A linear probe that begins as the zero-shot head: ZS-LP of the CLAP paper (arXiv:2312.12730)."""

from dataclasses import dataclass

import torch
from torch import nn

from adapt.common.ranges import Ranges, above, at_least
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.fitting import (
    Slope,
    classes_with_support,
    cosine_head,
    cosine_slope,
    epochs_of_batches,
    fit_rows,
)
from adapt.methods.features.support import Support


@register("zs_lp")
@dataclass
class ZsLp(HeadMethod):
    """Cross-entropy on cosine logits, by SGD from the text directions; no validation, last epoch.

    The encoders stay as they are. A class without support images keeps its text direction and
    competes with the others.
    """

    ranges = Ranges(
        lr=above(), epochs=at_least(0, "zero-shot"), batch_size=at_least(1), length=above()
    )
    fits_bias = False

    lr: float = 0.1
    """Highest learning rate: one epoch at 1e-5, then a cosine."""
    epochs: int = 300
    """Passes over the support images; 0 is zero-shot."""
    batch_size: int = 256
    """Samples of a batch, drawn from all views."""
    length: float = 10.0
    """Length given to the text directions before training. The authors train raw text embeddings,
    which are not of unit length. Logits do not depend on the length, but the angle that a step
    turns falls with its square; of 1, 3 and 10 the last was best on held-out images of real
    features, and at 1 a few images per class ended far below zero-shot."""
    views: int = 20
    """Augmented views of each image; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """Unit prototypes times exp(logit scale); the bias is zero."""
        prototypes = fit_rows(
            support.text * self.length,
            classes_with_support(support.targets),
            self.slope(support),
            lambda tensors: torch.optim.SGD(tensors, lr=self.lr, momentum=0.9, fused=True),
            epochs_of_batches(support, self.batch_size, self.epochs, self.lr),
        )
        return cosine_head(support, prototypes)

    def slope(self, support: Support) -> Slope:
        """Of what is descended on."""
        return cosine_slope(support)
