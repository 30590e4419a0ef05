"""BitFit: train the biases alone (arXiv:2106.10199)."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.methods.base import register
from adapt.methods.encoders.norm_tuning import NormTuning
from adapt.models.classifier import Classifier


@register("bitfit")
@dataclass
class BitFit(NormTuning):
    """Train every bias of an encoder, those of its norms included: about 0.1 % of the weights.

    The paper takes rates from 1e-4 to 1e-3 and trains a new head with the biases. Here the head
    starts from text and is kept unless asked for. Statistics of batch norms stay.
    """

    several_labels: ClassVar[bool] = True

    def names(self, start: Classifier) -> set[str]:
        """Names of the biases."""
        return {name for name, _ in start.named_parameters() if name.endswith("bias")}
