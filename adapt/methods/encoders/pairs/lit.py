"""LiT: a text encoder learns to read for a locked image encoder (arXiv:2111.07991)."""

from dataclasses import dataclass

from adapt.methods.base import register
from adapt.methods.encoders.pairs.contrastive import ContrastiveTuning
from adapt.training.parameters import in_encoder


@register("lit")
@dataclass
class LockedImageTuning(ContrastiveTuning):
    """Train the text encoder on images with captions; the image encoder stays as it is, locked.

    What the image encoder knows cannot be lost, and an image encoder that never saw a text (any
    tower of timm) becomes one that texts can search. Otherwise as `contrastive`.
    """

    def trains(self, name: str) -> bool:
        """Whether a parameter of the model trains: none of the image encoder."""
        return super().trains(name) and not in_encoder(name, "image")
