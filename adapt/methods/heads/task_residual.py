"""Learn what to add to the text directions: TaskRes (arXiv:2211.10277)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.data.image_data import ImageData
from adapt.methods.base import check_ranges, register
from adapt.methods.features.base import fit_head
from adapt.methods.features.fitting import (
    classes_with_support,
    cosine_loss,
    epochs_of_batches,
    fit_rows,
    rows_only,
)
from adapt.methods.features.support import Support
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.training.context import Context

SHORT, LONG, MANY_SHOTS = 100, 200, 8
"""The authors' epochs below and from this many shots of a class."""


@register("task_residual")
@dataclass
class TaskResidual:
    """Prototypes are `text + scale * residual`; the text stays, the residual begins at zero.

    Cross-entropy on cosine logits, by Adam; no validation, last epoch. The encoders stay as they
    are. A class without support images keeps a residual of zero, its text direction, and competes
    with the others.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

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
    embeddings, unit length not yet made; of 1, 3 and 10 the last was best on held-out images of
    real features."""
    views: int = 20
    """Augmented views of each image, in place of the authors' new one in every epoch; 1 is the
    evaluation view alone."""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "scale": (self.scale >= 0, "give 0 (zero-shot) or more"),
                "lr": (self.lr > 0, "give a number above 0"),
                "epochs": (self.epochs >= 0, "give 0 (by the number of shots) or more"),
                "batch_size": (self.batch_size >= 1, "give 1 or more"),
                "weight_decay": (self.weight_decay >= 0, "give 0 or more"),
                "length": (self.length > 0, "give a number above 0"),
                "views": (self.views >= 1, "give 1 or more"),
            },
        )

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the head's matrix alone trains."""
        return rows_only(start)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Fit a new head on a copy of the start."""
        return fit_head(self, start, data, context)

    def head(self, support: Support) -> nn.Linear:
        """Unit prototypes times exp(logit scale); the bias is zero."""
        views, images = support.views.shape[:2]
        rows = classes_with_support(support.targets)
        epochs = self.epochs or (LONG if images >= MANY_SHOTS * len(rows) else SHORT)
        text, cross_entropy = support.text * self.length, cosine_loss(support)

        def loss(residual: Tensor, batch: Tensor) -> Tensor:
            return cross_entropy(text + self.scale * residual, batch)

        residual = fit_rows(
            torch.zeros_like(text),
            rows,
            loss,
            lambda tensors: torch.optim.Adam(
                tensors, lr=self.lr, weight_decay=self.weight_decay, fused=True
            ),
            epochs_of_batches(images, views, self.batch_size, epochs, self.lr, support.seed),
        )
        return linear_head(support.scale * F.normalize(text + self.scale * residual, dim=-1))
