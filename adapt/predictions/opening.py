"""A shipped model that is ready to answer: on its device, in its precision."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from adapt.errors import RecipeError
from adapt.export.load import Loaded, is_export, load, place_of
from adapt.models.prediction.stream import Predictor
from adapt.training.runtime import EXACT, inference_kernels


@dataclass(frozen=True)
class OpenModel:
    """A model on its device."""

    loaded: Loaded
    """The bundle or export."""
    device: str
    """Where it computes: `cuda`, `mps` or `cpu`."""
    precision: str
    """`32`, `tf32` or `bf16`."""

    @property
    def predictor(self) -> Predictor:
        """The one way from inputs to predictions."""
        return self.loaded.predictor

    def kernels(self) -> AbstractContextManager[None]:
        """Those of `Classifier.predict`, unless another precision is asked for."""
        if self.precision == EXACT:
            return nullcontext()
        return inference_kernels(torch.device(self.device), self.precision)

    def width(self) -> int:
        """D, the length of its features."""
        side = self.predictor.preprocessing.size
        with torch.inference_mode():
            blank = self.predictor.judge(np.zeros((1, side, side, 3), np.uint8))
        return int(blank.features.shape[1])


def open_model(
    model: Path, device: str = "auto", precision: str = EXACT, trust: bool = False
) -> OpenModel:
    """Open a bundle or an export, and move it to a device.

    Args:
        model: Its folder.
        device: `auto` (a GPU where there is one), `cpu`, `gpu`, `cuda` or `mps`.
        precision: `32`, `tf32` or `bf16`.
        trust: Whether to open an export of the format `torch`, which can run code.

    Raises:
        RecipeError: When an export is asked for another precision than its own.
        BundleError: When it cannot be opened.
        ModelError: When the device is not there.
    """
    if is_export(model) and precision != EXACT:
        raise RecipeError(
            f"--precision - an export computes as it was exported - {precision} - leave "
            "it out, or give the bundle itself"
        )
    place = place_of(device, model)
    return OpenModel(load(model, trust).to(place), place, precision)
