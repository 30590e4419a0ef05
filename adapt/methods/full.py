"""Full fine-tuning of the image tower and the head, as in WiSE-FT (arXiv:2109.01903)."""

from dataclasses import dataclass, field

from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.models.classifier import Classifier
from adapt.training.loop import Context, train
from adapt.training.settings import Optim


@register("full")
@dataclass
class Full:
    """Train every weight of the image tower, and the head from its zero-shot start.

    The paper's recipe: AdamW, weight decay 0.1, warm-up then cosine, gradients clipped at norm 1,
    10 epochs at batch 512 and learning rate 3e-5 on ImageNet. Small data take smaller batches.
    """

    train_head: bool = True
    """Train the head too; without it the zero-shot head stays what it is."""
    optim: Optim = field(
        default_factory=lambda: Optim(lr=1e-5, epochs=10, batch_size=64, weight_decay=0.1)
    )
    """Optimiser settings."""

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Fine-tune a copy of the start."""
        tuned = start.clone().requires_grad_(False)
        tuned.backbone.image_tower.requires_grad_(True)
        tuned.head.requires_grad_(self.train_head)
        tuned.head_from_text = start.head_from_text and not self.train_head
        return train(tuned, data, self.optim, context or Context()).requires_grad_(True)
