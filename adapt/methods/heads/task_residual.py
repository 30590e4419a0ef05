"""Learn what to add to the text directions: TaskRes (arXiv:2211.10277)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adapt.common.ranges import Ranges, above, at_least
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.fitting import (
    classes_with_support,
    cosine_head,
    cosine_slope,
    epochs_of_batches,
    fit_rows,
)
from adapt.methods.features.support import Support

SHORT, LONG, MANY_SHOTS = 100, 200, 8
"""The authors' epochs below and from this many shots of a class."""


@register("task_residual")
@dataclass
class TaskResidual(HeadMethod):
    """Prototypes are `text + scale * residual`; the text stays, the residual begins at zero.

    Cross-entropy on cosine logits, by Adam; no validation, last epoch. The encoders stay as they
    are. A class without support images keeps a residual of zero, its text direction, and competes
    with the others.
    """

    ranges = Ranges(
        scale=at_least(0, "zero-shot"),
        lr=above(),
        epochs=at_least(0, "by the number of shots"),
        batch_size=at_least(1),
        weight_decay=at_least(0),
        length=above(),
    )
    fits_bias = False

    scale: float = 0.5
    """How much of the residual is added; the authors take 1 for one of their sets."""
    lr: float = 2e-3
    """Highest learning rate: one epoch at 1e-5, then a cosine."""
    epochs: int = 0
    """Passes over the support images. 0 takes the authors' 100 below 8 shots (images of a class
    that has any, their mean where classes differ) and 200 from there."""
    batch_size: int = 256
    """Samples of a batch, drawn from all views."""
    weight_decay: float = 5e-4
    """Pull of the residual to zero, added to the gradient."""
    length: float = 10.0
    """Length of the text directions that the residual is added to. The authors take raw text
    embeddings, which are not of unit length; of 1, 3 and 10 the last was best on held-out images of
    real features."""
    views: int = 20
    """Augmented views of each image, in place of the authors' new one in every epoch; 1 is the
    evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """Unit prototypes times exp(logit scale); the bias is zero."""
        rows = classes_with_support(support.targets)
        many = len(support.targets) >= MANY_SHOTS * len(rows)
        epochs = self.epochs or (LONG if many else SHORT)
        text, cross_entropy = support.text * self.length, cosine_slope(support)

        def slope(residual: Tensor, batch: Tensor) -> Tensor:
            return self.scale * cross_entropy(text + self.scale * residual, batch)

        residual = fit_rows(
            torch.zeros_like(text),
            rows,
            slope,
            lambda tensors: torch.optim.Adam(
                tensors, lr=self.lr, weight_decay=self.weight_decay, fused=True
            ),
            epochs_of_batches(support, self.batch_size, epochs, self.lr),
        )
        return cosine_head(support, text + self.scale * residual)
