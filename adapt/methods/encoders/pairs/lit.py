"""LiT: a text encoder learns to read for a locked image encoder (arXiv:2111.07991)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from adapt.common.ranges import Ranges, one_of
from adapt.data.image_data import ImageData
from adapt.data.sources.captions.pairs import captions_of
from adapt.methods.base import register
from adapt.methods.encoders.pairs.contrastive import ContrastiveTuning
from adapt.models.adapters.projection import projection_of
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PENULTIMATE
from adapt.training.context import Context
from adapt.training.features.pixels import prepare
from adapt.training.features.store import store_of
from adapt.training.pairs.objective import CLIP, LOSSES, PairObjective
from adapt.training.pairs.words import WORDS, WordMap, WordObjective
from adapt.training.parameters import MODEL, in_encoder


@register("lit")
@dataclass
class LockedImageTuning(ContrastiveTuning):
    """Train the text encoder on images with captions; the image encoder stays as it is, locked.

    What the image encoder knows cannot be lost, and an image encoder that never saw a text (any
    tower of timm) becomes one that texts can search. Without augmentation each image is encoded
    once, before the first step. Otherwise as `contrastive`.
    """

    ranges: ClassVar[Ranges] = Ranges(
        {**ContrastiveTuning.ranges, "loss": one_of((*LOSSES, WORDS))},
    )

    loss: str = CLIP
    """`clip` or `siglip` (see `contrastive`), or `words`: the text encoder learns to say what a
    linear map from words to image features says, a ridge regression that is fitted first. With few
    pairs a text encoder learns captions by heart, and such a map does not. Images take part in the
    map alone, without augmentation; set `word_dropout` to 0.3."""
    image_projection: bool = False
    """Whether the last linear layer of the image encoder trains as well: with few pairs it is
    easier to move it than to teach the text encoder all of it."""

    def unfit(self) -> list[str]:
        """Sentences about settings that do not go with each other."""
        settings = {"image_projection": True, "captions": "prompts"} if self.loss == WORDS else {}
        return super().unfit() + [
            f"{name} - not with loss: {WORDS} - {value} - remove it, or choose another loss"
            for name, value in settings.items()
            if getattr(self, name) == value
        ]

    def trains(self, name: str) -> bool:
        """Whether a parameter of the model trains: none of the image encoder."""
        scale = name == f"{MODEL}logit_scale"
        return (
            super().trains(name)
            and not in_encoder(name, "image")
            and not (scale and self.loss == WORDS)
        )

    def prepare(self, start: Classifier) -> Classifier:
        """As `contrastive`, with the image encoder locked up to its projection, or all of it.

        Raises:
            ModelError: See `ContrastiveTuning.prepare`; or the projection is to train and there is
                none.
        """
        copy = super().prepare(start)
        if self.image_projection:
            projection_of(copy.backbone.image_encoder).parameter.requires_grad_(True)
        return copy

    def look_once(
        self, objective: PairObjective, start: Classifier, data: ImageData, context: Context
    ) -> None:
        """Give the objective features where no step changes them, or what words say of them."""
        backbone, runtime = start.backbone, context.runtime
        if context.augmentation != "none" and self.loss != WORDS:
            return
        if self.image_projection:
            if projection_of(backbone.image_encoder).bias is not None:
                return  # features of unit length would meet a bias of another size
            backbone, objective.before_projection = backbone.with_features(PENULTIMATE), True
        pixels = prepare(data.train, backbone.preprocessing, runtime)
        features = store_of(context).features(backbone, pixels, runtime)
        if isinstance(objective, WordObjective):
            objective.word_map = WordMap.fit(captions_of(data.train), features)
        else:
            objective.features = features

    def objective_of(self, settings: dict[str, Any]) -> PairObjective:
        """The loss of a batch, of pairs or of words."""
        return WordObjective(**settings) if self.loss == WORDS else PairObjective(**settings)
