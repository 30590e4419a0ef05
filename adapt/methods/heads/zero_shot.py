"""Zero-shot: the text head as it is (Radford et al. 2021, arXiv:2103.00020)."""

from dataclasses import dataclass

from adapt.data.image_data import ImageData
from adapt.methods.base import register
from adapt.models.classifier import Classifier
from adapt.training.context import Context


@register("zero_shot")
@dataclass
class ZeroShot:
    """Train nothing: the baseline that every other method starts from."""

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which nothing trains."""
        return start.clone().requires_grad_(False)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """A copy of the start."""
        return start.clone()
