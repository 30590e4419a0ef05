"""LP-FT: a linear probe first, then fine-tuning from the probe's head (arXiv:2202.10054)."""

from dataclasses import dataclass, field
from typing import ClassVar

from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PROJECTED
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.parameters import in_encoder, trainable_copy
from adapt.training.settings import Optim


@register("lp_ft")
@dataclass
class LpFt:
    """Fit a linear probe, then train the image encoder and that head.

    A head that already fits moves the features less, so what they know of other data is kept. The
    paper fine-tunes with SGD, batch 64, a cosine and no weight decay, the rate chosen from 3e-5 to
    1e-2; here it is AdamW at full fine-tuning's rate.

    Raises:
        ValueError: When the probe is to be fitted on other features than the model ends with.
    """

    without_text: ClassVar[bool] = True
    several_labels: ClassVar[bool] = True

    probe: LinearProbe = field(default_factory=LinearProbe)
    """Settings of the probe. By default it starts from the zero-shot head and is pulled to it; the
    paper's starts from small numbers. Its C is searched on val, without val by cross-validation."""
    optim: Optim = field(
        default_factory=lambda: Optim(lr=1e-5, epochs=10, batch_size=64, weight_decay=0.0)
    )
    """Optimiser settings of the fine-tuning."""

    def __post_init__(self) -> None:
        if self.probe.features != PROJECTED:
            raise ValueError(
                f"probe.features - the fine-tuned head is behind the projection - "
                f"{self.probe.features!r} - set it to {PROJECTED}"
            )

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which image encoder and head train; the head is not fitted yet."""
        return trainable_copy(start, lambda name: in_encoder(name, "image"), train_head=True)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Fit the probe on a copy of the start, and fine-tune from there."""
        context = context or Context()
        probed = self.probe.fit(start, data, context)
        return train(self.prepare(probed), data, self.optim, context)
