"""Two stages: norms of both encoders, then a head from text (2SFS, arXiv:2503.11609)."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from adapt.common.ranges import Ranges, at_least, fraction, one_of
from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.methods.encoders.norm_tuning import NormTuning, norm_parameters
from adapt.models.backbones import ENCODERS
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.parameters import in_encoder, trainable_copy
from adapt.training.settings import OF_IMAGE_ENCODER, Optim, with_epochs


@register("two_stage")
@dataclass
class TwoStage:
    """Tune the norms for some of the steps, then a head of class directions on frozen encoders.

    In the first stage features adapt to the task, which also helps classes without images; if it
    went on, it would specialise on the training classes. So a head is trained for the rest: it
    starts from what the tuned text encoder says, keeps the length exp(logit scale) of its
    directions, and has no bias.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    several_labels: ClassVar[bool] = True

    ranges: ClassVar[Ranges] = Ranges(
        share=fraction(zero=False, one=False),
        encoder=one_of(ENCODERS),
        steps_per_shot=at_least(0, "take optim.epochs"),
    )

    share: float = 0.6
    """Fraction of the epochs for the norms; both stages get at least one epoch."""
    encoder: str = "both"
    """Whose norms: `image`, `text` or `both`."""
    steps_per_shot: int = 300
    """Optimiser steps of both stages for each image of a class (their mean, at most 16), rounded
    to whole epochs; 0 takes `optim.epochs`."""
    optim: Optim = field(
        default_factory=lambda: Optim(
            lr=2e-4, batch_size=32, weight_decay=0.01, warmup=0.0, clip_norm=0.0
        )
    )
    """Optimiser settings of each stage; in each the rate falls along a cosine."""

    def __post_init__(self) -> None:
        self.ranges.check(self)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which norms and directions train, the latter after the former."""
        norms = norm_parameters(start)
        tuned = trainable_copy(
            start, lambda name: in_encoder(name, self.encoder) and name in norms, train_head=True
        )
        tuned.head.bias.requires_grad_(False)
        return tuned

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Train a copy of the start; the log of the first stage is in the folder `norms`."""
        context = context or Context()
        first, second = self.stages(data)
        folder = context.folder / "norms" if context.folder else None
        own = replace(context, folder=folder, trajectory=None)
        tuned = NormTuning(self.encoder, optim=first).fit(start, data, own)
        return train_directions(tuned, data, second, context)

    def stages(self, data: ImageData) -> tuple[Optim, Optim]:
        """The settings of both stages: their epochs, and features are held in the first alone."""
        whole = with_epochs(self.optim, len(data.train), len(data.class_names), self.steps_per_shot)
        first = max(1, round(self.share * whole.epochs))
        # With frozen encoders the features of the second stage are held anyway.
        off: dict[str, Any] = dict.fromkeys(OF_IMAGE_ENCODER, 0.0)
        second = replace(whole, epochs=max(1, whole.epochs - first), **off)
        return replace(whole, epochs=first), second


def train_directions(
    tuned: Classifier, data: ImageData, optim: Optim, context: Context
) -> Classifier:
    """Train the head's directions alone, their length and the bias as they are.

    Args:
        tuned: Its head is where the directions start from; not changed.
        data: Training images.
        optim: Settings; the learning rate is that of unit directions.
        context: Device, seed, augmentation, folder.
    """
    copy = trainable_copy(tuned, lambda name: False, train_head=True)
    copy.head.bias.requires_grad_(False)
    length = copy.head.weight.detach().norm(dim=1, keepdim=True)
    parametrize.register_parametrization(copy.head, "weight", _Directions(length))
    return train(copy, data, optim, context, finish=_without_directions)


def _without_directions(trained: Classifier) -> Classifier:
    """A copy with the same head as a plain layer."""
    plain = linear_head(trained.head.weight.detach())
    with torch.no_grad():
        plain.bias.copy_(trained.head.bias)
    return trained.with_learned_head(plain)


class _Directions(nn.Module):
    """A weight whose rows keep their length, as a function of one whose rows may have any."""

    length: Tensor

    def __init__(self, length: Tensor) -> None:
        super().__init__()
        self.register_buffer("length", length)

    def forward(self, free: Tensor) -> Tensor:
        return self.length * F.normalize(free, dim=1)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return F.normalize(weight, dim=1)
