"""LiT: a text encoder learns to read for a locked image encoder (arXiv:2111.07991)."""

from dataclasses import dataclass

from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.methods.encoders.pairs.contrastive import ContrastiveTuning
from adapt.models.adapters.projection import projection_of
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PENULTIMATE
from adapt.training.context import Context
from adapt.training.features.pixels import prepare
from adapt.training.features.store import store_of
from adapt.training.pairs.objective import PairObjective
from adapt.training.parameters import in_encoder


@register("lit")
@dataclass
class LockedImageTuning(ContrastiveTuning):
    """Train the text encoder on images with captions; the image encoder stays as it is, locked.

    What the image encoder knows cannot be lost, and an image encoder that never saw a text (any
    tower of timm) becomes one that texts can search. Without augmentation each image is encoded
    once, before the first step. Otherwise as `contrastive`.
    """

    image_projection: bool = False
    """Whether the last linear layer of the image encoder trains as well: with few pairs it is
    easier to move it than to teach the text encoder all of it."""

    def trains(self, name: str) -> bool:
        """Whether a parameter of the model trains: none of the image encoder."""
        return super().trains(name) and not in_encoder(name, "image")

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
        """Give the objective features of the training images, where no step changes them."""
        backbone, runtime = start.backbone, context.runtime
        if context.augmentation != "none":
            return
        if self.image_projection:
            if projection_of(backbone.image_encoder).bias is not None:
                return  # features of unit length would meet a bias of another size
            backbone, objective.before_projection = backbone.with_features(PENULTIMATE), True
        pixels = prepare(data.train, backbone.preprocessing, runtime)
        objective.features = store_of(context).features(backbone, pixels, runtime)
