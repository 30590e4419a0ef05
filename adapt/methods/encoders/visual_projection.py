"""Train the image encoder's last projection alone, near its start (ProLIP, arXiv:2410.05270)."""

import copy
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.common.ranges import Ranges, above, at_least
from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.models.adapters.projection import projection_of, without_projection
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.views import kept_views
from adapt.training.runtime import inference_device
from adapt.training.settings import Optim, schedule_factor
from adapt.training.trainer.tally import sum_over_labels


@register("visual_projection")
@dataclass
class VisualProjection:
    """Fit the matrix between the image encoder's pooled features and the space shared with text.

    Everything else stays: a projection's bias, both encoders, and the head made from text. The
    pooled features of a few augmented views of each image are computed once; then 300 Adam steps
    on all images take seconds. The anchor to the start does the work: without it the paper reports
    accuracies below zero-shot.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    several_labels: ClassVar[bool] = True

    ranges: ClassVar[Ranges] = Ranges(
        strength=at_least(0, "one over the images per class"),
        lr=above(),
        steps=at_least(1),
        views=at_least(1, most=10_000),
    )

    strength: float = 0.0
    """Weight of the squared distance to the start's matrix. 0 takes the paper's 1/N, with N the
    training images of a class (their mean, where classes differ); no validation is needed."""
    lr: float = 1e-3
    """Highest learning rate, from which a cosine falls to zero. The paper finds little difference
    from 1e-5 to 1e-2; on the embedded drawings 1e-3 and more reach the minimum, less stops short.
    """
    steps: int = 300
    """Adam steps; each sees every training image in one of its views."""
    views: int = 10
    """Augmented views of each image, taken in turn (the paper keeps 300); 1 is the evaluation
    view. Features of all views are kept in memory, 4 bytes a number."""

    def __post_init__(self) -> None:
        self.ranges.check(self)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the projection alone requires gradients.

        Raises:
            ModelError: When the image encoder has no linear projection at its end.
        """
        tuned = start.clone().requires_grad_(False)
        projection_of(tuned.backbone.image_encoder).parameter.requires_grad_(True)
        return tuned

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Fit the projection of a copy of the start.

        Raises:
            ModelError: When the image encoder has no linear projection at its end.
        """
        context = context or Context()
        tuned = self.prepare(start)
        backbone, images = tuned.backbone, data.train
        views = self.views if context.augmentation != "none" else 1  # all would be the same
        drawn = context if views > 1 else replace(context, augmentation="none")
        projection = projection_of(backbone.image_encoder)
        pooling = without_projection(backbone.image_encoder)
        matrix = fit_projection(
            kept_views(pooling, backbone, images, views, drawn),
            torch.from_numpy(images.targets(start.class_names)),
            projection.matrix.to(inference_device(context.runtime)),
            projection.bias,
            tuned.head,
            self.strength or len(data.class_names) / len(data.train),
            self.steps,
            self.lr,
        )
        projection.set(matrix)
        return tuned.requires_grad_(True).eval()


def fit_projection(
    pooled: Tensor,
    targets: Tensor,
    matrix: Tensor,
    bias: Tensor | None,
    head: nn.Module,
    strength: float,
    steps: int,
    lr: float,
) -> Tensor:
    """Minimise cross-entropy plus `strength * |W - matrix|^2` over the projection W.

    Adam with epsilon 1e-4 on all images at once, the learning rate falling to zero along a cosine;
    step s sees view s modulo V. Logits are `head(unit(pooled @ W + bias))`.

    Args:
        pooled: Pooled features of each view, (V, N, P).
        targets: Class numbers (N,), or of several labels 0 or 1 for each class (N, K).
        matrix: Where W starts and is held, (P, D); its device is computed on.
        bias: Bias (D,) of the projection, which stays.
        head: The classes' directions, which stay.
        strength: Weight of the squared Frobenius distance.
        steps: Number of steps.
        lr: Highest learning rate.

    Returns:
        W (P, D), on the CPU.
    """
    device = matrix.device
    start, moving = matrix.detach(), matrix.detach().clone().requires_grad_(True)
    offset = None if bias is None else bias.detach().to(device)
    head, targets = copy.deepcopy(head).requires_grad_(False).to(device), targets.to(device)
    optimizer = torch.optim.Adam([moving], lr=lr, eps=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, schedule_factor(steps, Optim(lr=lr, warmup=0.0))
    )
    for step in range(steps):
        optimizer.zero_grad()
        features = F.linear(pooled[step % len(pooled)].to(device), moving.T, offset)
        logits = head(F.normalize(features, dim=-1))
        if targets.ndim == 2:
            loss = sum_over_labels(logits, targets) / len(targets)
        else:
            loss = F.cross_entropy(logits, targets)
        (loss + strength * (moving - start).square().sum()).backward()
        optimizer.step()
        schedule.step()
    return moving.detach().cpu()
