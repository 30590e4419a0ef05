"""Train the gains and biases of the norms alone (arXiv:2312.11420; for CLIP arXiv:2503.11609)."""

from dataclasses import dataclass, field
from typing import ClassVar

from adapt.common.ranges import Ranges, one_of
from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.models.backbones import ENCODERS
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.parameters import in_encoder, trainable_copy
from adapt.training.settings import Optim


@register("norm_tuning")
@dataclass
class NormTuning:
    """Train the gains and biases of layer norms or batch norms: fewer than 0.1 % of the weights.

    For CLIP the paper takes AdamW at 2e-4, batch 32, weight decay 0.01 and 300 steps for each shot,
    in both encoders, then a head on top. Small data take fewer steps at a higher rate, and one
    encoder.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    several_labels: ClassVar[bool] = True

    ranges: ClassVar[Ranges] = Ranges(encoder=one_of(ENCODERS))

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
        self.ranges.check(self)
        if self.train_head and self.encoder != "image":
            raise ValueError(
                f"train_head - does not go with encoder {self.encoder} - {self.train_head} - the "
                "head follows the text encoder: set encoder to image, or train_head to false"
            )

    def names(self, start: Classifier) -> set[str]:
        """Names of what may train, in either encoder."""
        return norm_parameters(start)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which these parameters, and the head if asked for, train."""
        names = self.names(start)
        return trainable_copy(
            start, lambda name: in_encoder(name, self.encoder) and name in names, self.train_head
        )

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Train a copy of the start; statistics of batch norms stay."""
        return train(self.prepare(start), data, self.optim, context or Context())


def norm_parameters(classifier: Classifier) -> set[str]:
    """Names of the gains and biases of layers whose class name says that they normalise."""
    return {
        f"{path}.{name}"
        for path, module in classifier.named_modules()
        if "norm" in type(module).__name__.lower()
        for name, _ in module.named_parameters(recurse=False)
    }
