"""LiT: a text encoder learns to read for a locked image encoder (arXiv:2111.07991)."""

from dataclasses import dataclass

from torch import Tensor

from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.methods.encoders.pairs.contrastive import ContrastiveTuning
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.pixels import prepare
from adapt.training.features.store import store_of
from adapt.training.parameters import in_encoder


@register("lit")
@dataclass
class LockedImageTuning(ContrastiveTuning):
    """Train the text encoder on images with captions; the image encoder stays as it is, locked.

    What the image encoder knows cannot be lost, and an image encoder that never saw a text (any
    tower of timm) becomes one that texts can search. Without augmentation each image is encoded
    once, before the first step. Otherwise as `contrastive`.
    """

    def trains(self, name: str) -> bool:
        """Whether a parameter of the model trains: none of the image encoder."""
        return super().trains(name) and not in_encoder(name, "image")

    def features(self, start: Classifier, data: ImageData, context: Context) -> Tensor | None:
        """Features of the training images (N, D) where every step sees them alike."""
        if context.augmentation != "none":
            return None
        backbone, runtime = start.backbone, context.runtime
        pixels = prepare(data.train, backbone.preprocessing, runtime)
        return store_of(context).features(backbone, pixels, runtime)
