"""A text-initialised probe, each class held near its text: CLAP (arXiv:2312.12730)."""

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


@register("clap")
@dataclass
class Clap:
    """ZS-LP plus `mean over k of p_k * |w_k - t_k|^2`, where prototype w_k begins at text t_k.

    p_k is the mean zero-shot probability of the true class over class k's support, so a class that
    zero-shot knows stays near its text and one that it does not is free to move. Nothing is chosen
    on validation images. A class without support images keeps its text direction and competes with
    the others. The encoders stay as they are.

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
    """Length given to the text directions before training, with whose square the penalty grows.
    The authors train raw text embeddings, unit length not yet made; of 1, 3 and 10 the last was
    best on held-out images of real features."""
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
        text, cross_entropy = support.text * self.length, cosine_loss(support)
        held = penalties(support)

        def loss(prototypes: Tensor, batch: Tensor) -> Tensor:
            distance = (prototypes - text).square().sum(1)
            return cross_entropy(prototypes, batch) + (held * distance).mean()

        prototypes = fit_rows(
            text,
            classes_with_support(support.targets),
            loss,
            lambda tensors: torch.optim.SGD(tensors, lr=self.lr, momentum=0.9),
            steps,
        )
        return linear_head(support.scale * F.normalize(prototypes, dim=-1))


def penalties(support: Support) -> Tensor:
    """Weight of each class's penalty (K,): how sure zero-shot is of the class's own support.

    A class without support images, which nothing can move, gets zero.

    >>> features, targets = torch.eye(2)[None], torch.tensor([0, 1])
    >>> penalties(Support(features, targets, 2 * torch.eye(2)))
    tensor([0.8808, 0.8808])
    """
    features, targets = support.all_views
    sure = (features @ support.zero_shot.T).softmax(1).gather(1, targets[:, None])[:, 0]
    count = torch.bincount(targets, minlength=support.classes)
    total = torch.zeros(support.classes).index_add(0, targets, sure)
    return total / count.clamp(min=1)
