"""The models on the line through a shipped model: its start, itself, and what was trained."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt.ensembling.line import mix, same_encoders
from adapt.errors import AdaptError, DataError, WeightsError, one_line
from adapt.explore.monitor.seen import Seen, see
from adapt.models.base_weights import base_weights
from adapt.models.bundle.manifest import read_manifest
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head, text_weights
from adapt.models.penultimate import PROJECTED
from adapt.models.prediction.inputs import NamedImage
from adapt.training.features.encode import head_logits

Images = Callable[[], Iterable[NamedImage]]
"""Gives the images of a source once more, in the same order."""


@dataclass(frozen=True)
class LineOfModel:
    """The line from a start (alpha 0) through a shipped model."""

    start: Classifier
    shipped: Classifier
    alpha: float
    """Where the shipped model lies, above 0."""

    @classmethod
    def through(cls, shipped: Classifier, folder: Path, base: str | Path | None) -> "LineOfModel":
        """The line of a bundle that a run wrote.

        The start is made of the pretrained weights and the prompts of the bundle. What was trained
        (alpha 1) lies on the other side of the model: `start + (shipped - start) / alpha`, in
        weights of one layer as in those of all.

        Args:
            shipped: The model of the bundle.
            folder: The bundle.
            base: Where the pretrained weights are; see `base_weights`.

        Raises:
            WeightsError: When there is no such line, with the reason.
        """
        manifest = read_manifest(folder)
        alpha = _alpha(manifest["info"])
        if shipped.backbone.features != PROJECTED:
            alpha = "its head reads features before the projection"
        if isinstance(alpha, str):
            raise WeightsError(f"{folder} - no line to its start - {alpha} - use the model alone")
        try:
            state = base_weights(manifest, base)
        except AdaptError as error:
            raise WeightsError(
                f"{folder} - no line to its start - {one_line(error)} - give --base"
            ) from error
        device = shipped.device
        start = shipped.clone().cpu()
        start.backbone.model.load_state_dict(dict(state))
        with torch.no_grad():
            weight = text_weights(start.backbone, start.prompts, start.prompt_weights)
        start.head, start.head_from_text = linear_head(weight), True
        start.low_rank = start.uncertainty = None
        return cls(start.eval().to(device), shipped, alpha)

    def at(self, alpha: float) -> Classifier:
        """The model at a point of the line.

        Args:
            alpha: From 0 to 1.
        """
        made = mix(self.start, self.shipped, alpha / self.alpha, extrapolate=True)
        return made.to(self.shipped.device).eval()

    def logits(self, alpha: float, seen: Seen, images: Images, batch_size: int) -> np.ndarray:
        """Logits (S, K) of the model at a point, for the sample of the images that were seen.

        Args:
            alpha: From 0 to 1.
            seen: The images as the shipped model sees them; its features are used where only heads
                differ.
            images: The images again.
            batch_size: Images computed at once.
        """
        model = self.at(alpha)
        if same_encoders(self.start, self.shipped):
            return head_logits(model.head, torch.from_numpy(seen.features))
        wanted = set(seen.places[seen.rows].tolist())
        some = (image for place, image in enumerate(images()) if place in wanted)
        again = see(model.with_temperature(1.0).predictor, some, batch_size, sample=0)
        if len(again.names) != len(seen.rows):
            raise DataError(
                f"images - changed while they were read - {len(again.names)} of {len(seen.rows)} "
                "can be read again - give images that stay as they are"
            )
        logits: np.ndarray = np.log(np.maximum(again.probabilities, np.finfo(np.float64).tiny))
        return logits


def _alpha(info: dict[str, Any]) -> float | str:
    """Where a model of a run lies on its line, or why it lies on none."""
    alpha = info.get("alpha")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        return "no run wrote this bundle"
    ensemble = (info.get("recipe") or {}).get("ensemble") or {}
    if not 0 < alpha <= 1:
        return "it is its own start (alpha 0)" if alpha == 0 else f"alpha is {alpha}"
    if ensemble.get("batch_norm") == "reestimate":
        return "statistics of its batch norms were estimated anew"
    return float(alpha)
