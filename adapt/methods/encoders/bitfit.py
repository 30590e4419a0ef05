"""BitFit: train the biases alone (arXiv:2106.10199)."""

from dataclasses import dataclass, field

from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.parameters import check_encoder, in_encoder, trainable_copy
from adapt.training.settings import Optim


@register("bitfit")
@dataclass
class BitFit:
    """Train every bias of an encoder, those of its norms included: about 0.1 % of the weights.

    The paper takes rates from 1e-4 to 1e-3 and trains a new head with the biases. Here the head
    has a start from text, which is kept unless asked for.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    encoder: str = "image"
    """Which encoder: `image`, `text` or `both`."""
    train_head: bool = False
    """Train the head too; only with the encoder `image`, since otherwise the head follows the text
    encoder."""
    optim: Optim = field(
        default_factory=lambda: Optim(lr=1e-3, epochs=20, batch_size=32, weight_decay=0.01)
    )
    """Optimiser settings; weight decay acts on the head's matrix alone."""

    def __post_init__(self) -> None:
        check_encoder(self.encoder, self.train_head)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the biases, and the head if asked for, train."""
        return trainable_copy(
            start,
            lambda name: in_encoder(name, self.encoder) and name.endswith("bias"),
            self.train_head,
        )

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Train the biases of a copy of the start; statistics of batch norms stay."""
        return train(self.prepare(start), data, self.optim, context or Context())
