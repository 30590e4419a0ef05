"""What is not a method's business: devices, seed, augmentation, folders."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from adapt.common.progress import write_line
from adapt.data.augmentation.policies import AugmentationLike
from adapt.training.settings import Runtime


class KeepsFeatures(Protocol):
    """What keeps features: `adapt.training.features.store.FeatureStore`."""

    def features(
        self, backbone: Any, pixels: Any, runtime: Runtime, precision: str = ...
    ) -> Tensor:
        """Unit features (N, D) of images."""

    def activations(
        self, cut: Any, backbone: Any, pixels: Any, runtime: Runtime, precision: str = ...
    ) -> Iterator[Tensor] | None:
        """Activations where an encoder is cut, batch by batch; None where there is no room."""

    def kept(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """A tensor by name, computed where it is not known."""


Arrays = Mapping[str, np.ndarray]


class KeepsStages(Protocol):
    """What keeps the results of long computations: `adapt.runs.folder.stages.Stages`."""

    def arrays(self, stage: str, about: Callable[[], Any], compute: Callable[[], Arrays]) -> Arrays:
        """Arrays by name; what they depend on is asked for where they are kept alone."""

    def content(self, stage: str, about: Any, compute: Callable[[], Any]) -> Any:
        """What JSON can hold."""

    def classifier(self, stage: str, about: Any, start: Any, compute: Callable[[], Any]) -> Any:
        """A `Classifier` that was made from a start."""


class KeepsNothing:
    """Every stage is computed when it is asked for."""

    def arrays(self, stage: str, about: Callable[[], Any], compute: Callable[[], Arrays]) -> Arrays:
        """What `compute` gives."""
        return compute()

    def content(self, stage: str, about: Any, compute: Callable[[], Any]) -> Any:
        """What `compute` gives."""
        return compute()

    def classifier(self, stage: str, about: Any, start: Any, compute: Callable[[], Any]) -> Any:
        """What `compute` gives."""
        return compute()


NOTHING_KEPT = KeepsNothing()


class KeepsModels(Protocol):
    """What keeps models on the way of a training."""

    folder: Path
    """Gets the weights that train, which a resumed training looks for."""
    count: int
    """How many models, without the result of the training."""

    def keep(self, model: Any) -> None:
        """Take what the method would have returned at that point; its weights change afterwards."""


@dataclass
class Context:
    """Everything about a run that is not a method's business."""

    runtime: Runtime = field(default_factory=Runtime)
    """Devices, precision, workers, loggers."""
    seed: int = 0
    """Fixes initialisation, order and augmentation."""
    augmentation: AugmentationLike = "clip"
    """Named policy for the training images, or a custom list of steps."""
    folder: Path | None = None
    """Where the training log and checkpoints go; nothing is written without it."""
    resume: bool = False
    """Go on from the last checkpoint in `folder`, if there is one."""
    from_previous: bool = False
    """Where the last checkpoint is damaged, go on from the one before it."""
    quiet: bool = False
    """No progress on the terminal."""
    balance: str = "none"
    """How often training classes are drawn: `none`, `uniform` or `sqrt`."""
    store: KeepsFeatures | None = None
    """What keeps features of frozen encoders, so that none is computed twice; nothing without."""
    tell: Callable[[str], None] = write_line
    """Called with a sentence that whoever uses the result should know."""
    trajectory: KeepsModels | None = None
    """What keeps models on the way of the training; none are kept without."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """All settings of the recipe, which checkpoints name as what made them."""
    stages: KeepsStages = NOTHING_KEPT
    """What keeps what finished stages of a run came to."""
