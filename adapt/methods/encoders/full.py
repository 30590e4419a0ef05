"""Full fine-tuning of the image encoder and the head, as in WiSE-FT (arXiv:2109.01903)."""

from dataclasses import dataclass, field
from typing import ClassVar

from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.parameters import in_encoder, trainable_copy
from adapt.training.settings import Optim


@register("full")
@dataclass
class Full:
    """Train every weight of the image encoder, and the head from its zero-shot start.

    The paper's recipe: AdamW, weight decay 0.1, warm-up then cosine, gradients clipped at norm 1,
    10 epochs at batch 512 and learning rate 3e-5 on ImageNet. Small data take smaller batches.
    """

    without_text: ClassVar[bool] = True
    several_labels: ClassVar[bool] = True

    train_head: bool = True
    """Train the head too; without it the zero-shot head stays what it is."""
    optim: Optim = field(
        default_factory=lambda: Optim(lr=1e-5, epochs=10, batch_size=64, weight_decay=0.1)
    )
    """Optimiser settings."""

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the image encoder, and the head if asked for, train."""
        return trainable_copy(start, lambda name: in_encoder(name, "image"), self.train_head)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Fine-tune a copy of the start."""
        return train(self.prepare(start), data, self.optim, context or Context())
