"""A linear probe that begins as the zero-shot head: ZS-LP of the CLAP paper (arXiv:2312.12730)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

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


@register("zs_lp")
@dataclass
class ZsLp:
    """Cross-entropy on cosine logits, by SGD from the text directions; no validation, last epoch.

    The encoders stay as they are. A class without support images keeps its text direction and
    competes with the others.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    lr: float = 0.1
    """Highest learning rate: one epoch at 1e-5, then a cosine."""
    epochs: int = 300
    """Passes over the support images; 0 is zero-shot."""
    batch_size: int = 256
    """Samples of a batch, drawn from all views."""
    length: float = 10.0
    """Length given to the text directions before training. The authors train raw text embeddings,
    unit length not yet made. Logits do not depend on it, but the angle that a step turns falls with
    its square; of 1, 3 and 10 the last was best on held-out images of real features, and at 1 few
    shots ended far below zero-shot."""
    views: int = 20
    """Augmented views of each image; 1 is the evaluation view alone."""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "lr": (self.lr > 0, "give a number above 0"),
                "epochs": (self.epochs >= 0, "give 0 (zero-shot) or more"),
                "batch_size": (self.batch_size >= 1, "give 1 or more"),
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
        steps = epochs_of_batches(
            images, views, self.batch_size, self.epochs, self.lr, support.seed
        )
        prototypes = fit_rows(
            support.text * self.length,
            classes_with_support(support.targets),
            cosine_loss(support),
            lambda tensors: torch.optim.SGD(tensors, lr=self.lr, momentum=0.9),
            steps,
        )
        return linear_head(support.scale * F.normalize(prototypes, dim=-1))
