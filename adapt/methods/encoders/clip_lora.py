"""CLIP-LoRA: small adapters in both encoders, one recipe for all data sets (arXiv:2405.18541)."""

from dataclasses import dataclass, field
from typing import ClassVar

from adapt.common.ranges import Ranges, above, at_least, fraction, one_of
from adapt.data.image_data import ImageData
from adapt.errors import RecipeError
from adapt.methods.base import register
from adapt.methods.encoders.lora import build_adapter, merge_trained
from adapt.models.adapters.lora import LoraSettings
from adapt.models.backbones import ENCODERS
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import loss_weights, train
from adapt.training.objectives import CrossEntropy, Objective, loss_of
from adapt.training.settings import Optim, with_epochs

TARGETS = ("q", "k", "v")


@register("clip_lora")
@dataclass
class ClipLora:
    """LoRA with the settings of CLIP-LoRA: nothing is chosen, and the last step is taken.

    Adapters are on the query, key and value matrices of every layer; the delta is
    `alpha / sqrt(rank)` times B A. Where the text encoder is adapted, a step encodes one prompt of
    each class anew; `classes_per_step` keeps that cheap. With the image encoder alone no text is
    encoded. The result has plain open_clip weights and a head from text.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    several_labels: ClassVar[bool] = True

    ranges: ClassVar[Ranges] = Ranges(
        rank=at_least(1, most=10_000),
        alpha=above(),
        dropout=fraction(one=False),
        encoder=one_of(ENCODERS),
        steps_per_shot=at_least(0, "take optim.epochs"),
        classes_per_step=at_least(0, "all"),
    )

    rank: int = 2
    """Inner width of the adapters."""
    alpha: float = 1.0
    """Scale: the delta is `alpha / sqrt(rank)` times B A, 0.707 by default."""
    dropout: float = 0.25
    """Dropout on the adapters' input while training."""
    encoder: str = "both"
    """Which encoder: `image`, `text` or `both`."""
    steps_per_shot: int = 500
    """Optimiser steps for each image of a class (their mean; more than 16, the paper's most, count
    as 16), rounded to whole epochs; 0 takes `optim.epochs`."""
    classes_per_step: int = 0
    """Classes whose prompts a step encodes: those of its batch, and others drawn at random; 0 is
    all, as in the paper. With hundreds of classes encoding them is most of the time."""
    optim: Optim = field(
        default_factory=lambda: Optim(
            lr=2e-4, batch_size=32, weight_decay=0.01, warmup=0.0, clip_norm=0.0
        )
    )
    """Optimiser settings; the rate falls along a cosine."""

    def __post_init__(self) -> None:
        self.ranges.check(self)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start with adapters, which alone train.

        Raises:
            ModelError: When an encoder has no attention layers.
        """
        return build_adapter(start, self._settings(), 0).classifier

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Train adapters on a copy of the start and merge them.

        Raises:
            RunError: When an adapter stayed what it was.
        """
        context = context or Context()
        optim = with_epochs(self.optim, len(data.train), len(data.class_names), self.steps_per_shot)
        adapter = build_adapter(start, self._settings(), context.seed)
        return train(
            adapter.classifier,
            data,
            optim,
            context,
            self.objective(start, data),
            lambda _: merge_trained(adapter, self.encoder),
        )

    def objective(self, start: Classifier, data: ImageData) -> Objective:
        """Cross-entropy over the classes of a step; where images have several labels, of each.

        Raises:
            RecipeError: When a part of the classes is asked for, where images have several labels.
        """
        names = start.class_names
        if start.labelling.several:
            if self.classes_per_step:
                given = f"{self.classes_per_step}"
                what = "not for several labels per image"
                raise RecipeError(f"method.classes_per_step - {what} - {given} - set it to 0")
            return loss_of(start, self.optim, self.encoder != "image")
        weights = loss_weights(self.optim, data.train, names)
        return CrossEntropy(
            self.optim.label_smoothing, self.encoder != "image", weights, self.classes_per_step
        )

    def _settings(self) -> LoraSettings:
        return LoraSettings(
            self.rank, self.alpha, True, self.dropout, list(TARGETS), self.encoder, []
        )
