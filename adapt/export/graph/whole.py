"""The whole way from pixels to verdicts as one module, ready to be exported."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.data.decoding.preprocessing import PixelArray, Preprocessing
from adapt.export.answers import GraphAnswers, Runtime
from adapt.export.graph.resize import resized
from adapt.export.graph.verdicts import abstained, conformal_sets, labels_given, unknown
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PROJECTED, without_projection
from adapt.models.prediction.labelling import ONE_LABEL, Labelling
from adapt.models.prediction.uncertainty import Uncertainty


class WholeGraph(nn.Module):
    """From uint8 RGB images of one shape to what `Classifier.predict` would say of them.

    Args:
        image_encoder: From normalised pixels to features.
        head: From unit features to logits.
        preprocessing: How images are resized and normalised.
        temperature: Of the probabilities.
        uncertainty: Thresholds.
        labelling: One label of each image, or several.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        image_encoder: nn.Module,
        head: nn.Linear | CacheHead,
        preprocessing: Preprocessing,
        temperature: float,
        uncertainty: Uncertainty,
        labelling: Labelling = ONE_LABEL,
    ) -> None:
        super().__init__()
        self.image_encoder, self.head = image_encoder, head
        if isinstance(head, CacheHead):
            count = int(head.neighbours)
            # What a buffer holds is not known while a graph is traced; a number is.
            del head.neighbours
            head.neighbours = count  # type: ignore[assignment]
        self.preprocessing, self.temperature = preprocessing, temperature
        self.uncertainty, self.labelling = uncertainty, labelling
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    @classmethod
    def of(cls, classifier: Classifier) -> "WholeGraph":
        """The graph of a model, which is copied: float32, on the CPU, in evaluation mode."""
        plain = classifier.clone().float().cpu().eval().requires_grad_(False)
        own = plain.backbone
        projected = own.features == PROJECTED
        return cls(
            own.image_encoder if projected else without_projection(own.image_encoder),
            plain.head,
            own.preprocessing,
            float(plain.temperature),
            plain.uncertainty or Uncertainty(),
            plain.labelling,
        ).eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The fields of `GraphAnswers`, in their order.

        Args:
            images: uint8 (B, H, W, 3), decoded, upright, opaque; H and W are whatever they are.

        Returns:
            Probabilities (B, K) in float64, unit features (B, D), whether it abstains (B,), the
            conformal set (B, K), or of several labels those that are given, score and verdict of
            the detector of unknowns (B,) each.
        """
        pixels = resized(images, self.preprocessing).permute(0, 3, 1, 2).float() / 255
        encoded = self.image_encoder((pixels - self.mean) / self.std)
        features = F.normalize(encoded[0] if isinstance(encoded, tuple) else encoded, dim=-1)
        logits = self.head(features)
        probabilities = self.labelling.probabilities(logits.double() / self.temperature)
        score, strange = unknown(probabilities, logits, self.temperature, self.uncertainty)
        limits = self.labelling.thresholds_of_classes
        if limits is None:
            chosen = conformal_sets(probabilities, logits, self.uncertainty)
        else:
            chosen = labels_given(probabilities, limits)
        return (
            probabilities,
            features,
            abstained(probabilities, self.uncertainty),
            chosen,
            score,
            strange,
        )


def runtime_of(graph: nn.Module) -> Runtime:
    """The graph, or what became of it in torch, as a function of arrays."""

    def run(images: PixelArray) -> GraphAnswers:
        with torch.inference_mode():
            outputs = graph(torch.from_numpy(images))
        return GraphAnswers(*(output.numpy() for output in outputs))

    return run
