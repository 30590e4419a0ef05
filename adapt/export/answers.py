"""What a model says of some images, whatever runs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from PIL import Image
from torch import Tensor, nn

from adapt.common.arrays import BoolArray, FloatArray
from adapt.data.decoding.preprocessing import PixelArray
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.models.prediction.labelling import ONE_LABEL, Labelling
from adapt.models.prediction.uncertainty import Uncertainty


@dataclass(frozen=True)
class GraphAnswers:
    """Of N images and K classes; the fields are the outputs of an exported graph, in their order.

    Example:
        >>> GraphAnswers.names()[:2]
        ('probabilities', 'features')
    """

    probabilities: FloatArray
    """Shape (N, K), float64, after temperature scaling."""
    features: FloatArray
    """Shape (N, D), unit length."""
    abstained: BoolArray
    """Shape (N,): the confidence is below the threshold."""
    conformal_set: BoolArray
    """Shape (N, K): the classes that cannot be ruled out; all false where no level was chosen. Of
    several labels per image, those that the image has."""
    unknown_score: FloatArray
    """Shape (N,): the score of the detector of unknowns, 0 without one."""
    unknown: BoolArray
    """Shape (N,): whether that score is below its threshold."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(field.name for field in fields(cls))

    def first(self, count: int) -> "GraphAnswers":
        """Those of the first images."""
        return GraphAnswers(*(getattr(self, name)[:count] for name in self.names()))


@torch.inference_mode()
def answers_of(classifier: Classifier, images: Sequence[PixelArray]) -> GraphAnswers:
    """What the model itself says, image by image, by the way of `Classifier.predict`.

    Args:
        classifier: On any device.
        images: uint8 RGB arrays (H, W, 3) of any sizes.
    """
    own, model = classifier.backbone.preprocessing, classifier.eval()
    pixels = torch.stack([own(Image.fromarray(image)) for image in images]).to(model.device)
    features = torch.cat([model.features(part) for part in pixels.split(1)])
    own_uncertainty = classifier.uncertainty or Uncertainty()
    temperature, labelling = classifier.temperature, classifier.labelling
    return answers_from(features, model.head, temperature, own_uncertainty, labelling)


def answers_from(
    features: Tensor,
    head: nn.Linear | CacheHead,
    temperature: float,
    own: Uncertainty,
    labelling: Labelling = ONE_LABEL,
) -> GraphAnswers:
    """What head, temperature and thresholds make of unit features (N, D)."""
    with torch.inference_mode():
        logits = head(features).float().cpu()
    probabilities = labelling.probabilities(logits.double() / temperature).numpy()
    verdicts = labelling.verdicts(own, probabilities, logits.numpy(), temperature)
    return GraphAnswers(
        probabilities,
        features.float().cpu().numpy(),
        verdicts.abstained,
        verdicts.sets,
        own.unknown_scores(probabilities, logits.numpy(), temperature),
        verdicts.unknown,
    )


Runtime = Callable[[PixelArray], GraphAnswers]
"""From a batch of uint8 RGB images (B, H, W, 3) to answers."""
