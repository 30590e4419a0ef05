"""PAINT: fine-tune under a frozen zero-shot head, then interpolate (arXiv:2208.05592)."""

from dataclasses import dataclass, field

from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.parameters import in_encoder, trainable_copy
from adapt.training.settings import Optim


@register("paint")
@dataclass
class Paint:
    """Train the image encoder alone; the head stays what the text encoder says.

    So the result can name other classes as before. It is `full` without its head; the patch is the
    interpolation that follows (`ensemble`). The paper's fine-tuning: AdamW at 1e-5, weight decay
    0.1, batch 128, 2000 steps of which 200 warm up. Small data take fewer steps in smaller batches.
    """

    optim: Optim = field(
        default_factory=lambda: Optim(lr=1e-5, epochs=10, batch_size=64, weight_decay=0.1)
    )
    """Optimiser settings."""

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the image encoder trains."""
        return trainable_copy(start, lambda name: in_encoder(name, "image"))

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Fine-tune a copy of the start."""
        return train(self.prepare(start), data, self.optim, context or Context())
