"""What a penalty is and may look at, and the table of all of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.common.registry import Registry
from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PROJECTED

DEPTHS, FEATURES = "depths", "features"


def precise(values: Tensor) -> Tensor:
    """In float32, or float64 as they are: half precision has too few digits for differences."""
    return values if values.dtype == torch.float64 else values.float()


@dataclass
class Watched:
    """What an image encoder computed of a batch; several parts where it was encoded in parts."""

    by_depth: list[list[Tensor]] = field(default_factory=list)
    """The parts (B, T, D) or (B, D) at each depth that is watched."""
    outputs: list[Tensor] = field(default_factory=list)
    """The parts (B, D) of what the encoder gave, not normalised."""

    @property
    def depths(self) -> list[Tensor]:
        """Features (B, T, D) or (B, D) at each depth."""
        return [torch.cat(parts) for parts in self.by_depth]

    @property
    def features(self) -> Tensor:
        """Unit image features (B, D), in float32 at least."""
        return F.normalize(precise(torch.cat(self.outputs)), dim=-1)


@dataclass(frozen=True)
class Step:
    """What a penalty may look at in a step."""

    classifier: Classifier
    """As it is now."""
    now: Watched
    """What its image encoder computed of the batch, as far as penalties asked for it."""
    start: Classifier | None
    """A frozen copy from before the first step; only where a penalty watches something."""
    before: Watched
    """What the start's image encoder computed of the batch; without gradients."""
    logits: Sequence[Tensor]
    """What the objective said: matrices with one answer per row."""
    answer: Callable[[Classifier], Sequence[Tensor]]
    """What another classifier says of the same batch, in the same form."""
    generator: torch.Generator
    """Random numbers, the same for every micro-batch of a step and on every device."""


class Penalty(ABC):
    """Something to add to the loss; its weight is the setting of `Optim` that has its name.

    It is no module, so that what it copies is in no optimiser and no `state_dict`.

    Args:
        classifier: As it is before the first step; what requires gradients is what trains.
        frozen: Names of what does not train, under every name that it has.
    """

    watches: ClassVar[str] = ""
    """`depths` or `features` of the image encoder, which then has to train; nothing if empty."""

    def __init__(self, classifier: Classifier, frozen: Collection[str]) -> None:  # noqa: B027
        """Copy what is needed of the beginning; refuse what cannot be."""

    @abstractmethod
    def __call__(self, step: Step) -> Tensor:
        """The penalty, a scalar."""

    def tensors(self) -> list[Tensor]:
        """What it holds in memory beside the start."""
        return []

    def to(self, device: torch.device) -> None:  # noqa: B027
        """Move what it holds to where the images are."""

    def update(self, classifier: Classifier, step: int, steps: int) -> None:  # noqa: B027
        """After an optimiser step: `step` of `steps` are done."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint has to hold, since it cannot be had from the start again."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:  # noqa: B027
        """Take over what a checkpoint holds."""


PENALTIES = Registry[type[Penalty]]("penalty", __package__)
Kind = TypeVar("Kind", bound=type[Penalty])


def penalty(name: str) -> Callable[[Kind], Kind]:
    """Decorator: make a penalty known; `Optim` has a weight of the same name.

    Args:
        name: Its name, as in recipes and in the log.
    """

    def add(kind: Kind) -> Kind:
        PENALTIES.register(name, kind)
        return kind

    return add


def frozen_copy(classifier: Classifier) -> Classifier:
    """A copy that shares no tensor, does not train, and is in evaluation mode."""
    return classifier.clone().requires_grad_(False).eval()


def check_beside_texts(classifier: Classifier, setting: str) -> None:
    """Refuse image features that cannot be compared with texts.

    Raises:
        ModelError: When they are those before the projection into the space of the texts.
    """
    given = classifier.backbone.features
    if given != PROJECTED:
        raise ModelError(
            f"optim.{setting} - compares images with texts - features are {given} - set it to 0, "
            f"or features to {PROJECTED}"
        )


def cosines_of_both(step: Step, texts: Tensor) -> tuple[Tensor, Tensor]:
    """Scaled cosines (B, N) with unit text features (N, D), of the images now and by the start.

    The start's logit scale is used for both; a penalty that asks must watch `FEATURES`.
    """
    assert step.start is not None  # since it watches
    now = scaled_cosines(step.start, step.now.features, texts)
    return now, scaled_cosines(step.start, step.before.features, texts)


def scaled_cosines(classifier: Classifier, features: Tensor, texts: Tensor) -> Tensor:
    """Cosines (B, N) of unit features (B, D) and (N, D), times the classifier's logit scale."""
    # A scale of 100 leaves no digits behind the point in half precision.
    with torch.autocast(features.device.type, enabled=False):
        return classifier.backbone.scale.to(features.dtype) * features @ texts.to(features).T
