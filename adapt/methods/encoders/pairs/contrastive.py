"""Contrastive training of both encoders on images with captions (CLIP, SigLIP)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from adapt.common.ranges import Ranges, above, fraction, one_of, or_none, within
from adapt.data.image_data import ImageData
from adapt.data.sources.captions.pairs import UNLABELLED, captions_of, has_pairs
from adapt.methods.base import register
from adapt.methods.encoders.flyp import CAPTIONS, check_contrast, check_parts
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head, text_weights
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.objectives import SAME_CLASS
from adapt.training.pairs.objective import CLIP, LOSSES, SIGLIP, PairObjective
from adapt.training.pairs.sigmoid import BIAS, SCALE, begin_sigmoid
from adapt.training.parameters import MODEL, trainable_copy
from adapt.training.settings import Optim


@register("contrastive")
@dataclass
class ContrastiveTuning:
    """Train both encoders to match images with captions, by the loss of CLIP or of SigLIP.

    Each step draws one of the captions of an image. Several devices contrast the pairs of all of
    them; `optim.accumulate` leaves loss and gradients those of the whole batch. The result has the
    head that its text encoder makes of the start's prompts.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    learns_pairs: ClassVar[bool] = True
    ranges: ClassVar[Ranges] = Ranges(
        loss=one_of(LOSSES),
        captions=one_of(CAPTIONS),
        same_caption=one_of(SAME_CLASS),
        word_dropout=fraction(one=False),
        scale=or_none(above(), "the model's own"),
        bias=or_none(within(-1000, 1000), "the model's own"),
    )

    loss: str = CLIP
    """`clip` (softmax over the captions and over the images of a batch, arXiv:2103.00020) or
    `siglip` (each pair by itself, with a bias that is learned, arXiv:2303.15343)."""
    captions: str = "column"
    """The caption of an image: of its own, in the `column` named `caption`, or a random one of the
    `prompts` of its class."""
    same_caption: str = "mask"
    """Other images with the same caption (or of the same class, where captions are prompts) are
    left out (`mask`), wanted (`positive`) or pushed away (`negative`, as in both papers)."""
    word_dropout: float = 0.0
    """Fraction of the words of a caption that each step leaves out: with few pairs a text encoder
    learns captions by heart otherwise; try 0.3."""
    scale: float | None = None
    """Factor of the cosines to begin with; for `siglip` 10 if the model has no bias, as in the
    paper, else the model's own."""
    bias: float | None = None
    """For `siglip`: the bias to begin with; -10 if the model has none, else its own."""
    optim: Optim = field(
        default_factory=lambda: Optim(lr=1e-5, epochs=10, batch_size=64, weight_decay=0.1)
    )
    """Optimiser settings; what changes or weighs class labels does not go with this loss."""

    def __post_init__(self) -> None:
        self.ranges.check(self, self.unfit())
        check_contrast(self.optim)

    def unfit(self) -> list[str]:
        """Sentences about settings that do not go with each other."""
        given = [] if self.bias is None or self.loss == SIGLIP else [self.bias]
        wrong = [f"bias - not in this loss - {bias} - remove it, or loss: siglip" for bias in given]
        if self.captions == "prompts" and self.word_dropout:
            advice = "remove it, or captions: column"
            wrong.append(f"word_dropout - not for prompts - {self.word_dropout} - {advice}")
        return wrong

    def trains(self, name: str) -> bool:
        """Whether a parameter of the model trains."""
        bias = name == f"{MODEL}logit_bias"
        return name.startswith(MODEL) and (not bias or self.loss == SIGLIP)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which both encoders, the logit scale and a bias train.

        Raises:
            ModelError: When a batch in parts would not be what the whole is: with batch norms.
        """
        check_parts(start, self.optim)
        copy = trainable_copy(start, self.trains)
        copy.head_from_text = True
        if self.loss == SIGLIP:
            fresh = getattr(start.backbone.model, "logit_bias", None) is None
            scale = SCALE if self.scale is None and fresh else self.scale
            begin_sigmoid(copy, scale, BIAS if self.bias is None and fresh else self.bias)
        elif self.scale is not None:
            with torch.no_grad():
                copy.backbone.model.logit_scale.fill_(torch.tensor(self.scale).log())
        return copy

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Train a copy of the start.

        Raises:
            DataError: When captions are to come from a column that is missing or has empty cells.
            ModelError: See `prepare`.
        """
        prepared, objective = self.prepare(start), self._objective(data)
        context = context or Context()
        self.look_once(objective, start, data, context)
        narrow = _without_classes(prepared) if has_pairs(data.train) else prepared

        def finish(trained: Classifier) -> Classifier:
            return _finished(trained, start)

        return train(narrow, data, self.optim, context, objective, finish)

    def look_once(
        self, objective: PairObjective, start: Classifier, data: ImageData, context: Context
    ) -> None:
        """Give the objective features of the training images, where no step changes them."""

    def _objective(self, data: ImageData) -> PairObjective:
        settings: dict[str, Any] = {
            "same_class": self.same_caption,
            "parts": self.optim.accumulate,
            "kind": self.loss,
            "word_dropout": self.word_dropout,
        }
        if self.captions == "prompts":
            return self.objective_of(settings)
        held: Sequence[Sequence[str]] | None = None if data.val is None else captions_of(data.val)
        own = captions_of(data.train)
        return self.objective_of({**settings, "own": own, "held_out": held})

    def objective_of(self, settings: dict[str, Any]) -> PairObjective:
        """The loss of a batch with these settings."""
        return PairObjective(**settings)


def _without_classes(model: Classifier) -> Classifier:
    """The same encoders (shared) with one class for all images, which plays no part."""
    head = linear_head(torch.zeros(1, model.backbone.width)).requires_grad_(False)
    return Classifier(model.backbone, head, [UNLABELLED], [[UNLABELLED]])


def _finished(trained: Classifier, start: Classifier) -> Classifier:
    """What trained, with the classes of the start, and a bias only where the start has one."""
    model = trained.backbone.model
    if getattr(start.backbone.model, "logit_bias", None) is None:
        model.logit_bias = None  # it changes no order and no probability of a class
    if trained.class_names == start.class_names:
        return trained
    with torch.no_grad():
        weight = text_weights(trained.backbone, start.prompts, start.prompt_weights)
    whole = Classifier(
        trained.backbone,
        linear_head(weight),
        start.class_names,
        start.prompts,
        prompt_weights=start.prompt_weights,
    )
    return whole.eval().requires_grad_(True)
