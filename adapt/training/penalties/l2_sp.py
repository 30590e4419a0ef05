"""Weights held near the start (L2-SP, arXiv:1802.01483)."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.models.classifier import Classifier
from adapt.training.penalties.base import Penalty, Step, penalty, precise


def weight_distance(weights: dict[str, Tensor], start: dict[str, Tensor]) -> Tensor:
    """Sum over all numbers of `(w - w0)^2`: L2-SP (arXiv:1802.01483), without its factor 1/2.

    Args:
        weights: What trains, by name.
        start: The values it began with, by the same names.

    >>> weight_distance({"w": torch.tensor([1.0, 4.0])}, {"w": torch.tensor([0.0, 2.0])})
    tensor(5.)
    """
    distances = [
        F.mse_loss(precise(weights[name]), precise(start[name]), reduction="sum")
        for name in weights
    ]
    return torch.stack(distances).sum()


@penalty("l2_sp")
class WeightDistance(Penalty):
    """`weight_distance` of what trains to where it began."""

    def __init__(self, classifier: Classifier, frozen: Collection[str]) -> None:
        named = classifier.named_parameters()
        self.start = {name: p.detach().clone() for name, p in named if name not in frozen}

    def __call__(self, step: Step) -> Tensor:
        """The distance now."""
        parameters: dict[str, nn.Parameter] = dict(step.classifier.named_parameters())
        return weight_distance({name: parameters[name] for name in self.start}, self.start)

    def tensors(self) -> list[Tensor]:
        """A copy of what trains."""
        return list(self.start.values())

    def to(self, device: torch.device) -> None:
        """Move the copy."""
        self.start = {name: weight.to(device) for name, weight in self.start.items()}
