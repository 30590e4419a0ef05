"""Numbers that training stops at or tells of: what is not finite, gradient norms, their scale."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from adapt.errors import ModelError, RunError


class NotFiniteError(RunError):
    """Loss or gradient was not finite in several steps in a row; the weights are those before."""


@dataclass
class Norms:
    """The lengths of the gradients of an epoch, before they are clipped.

    >>> norms = Norms()
    >>> norms.add(1.0), norms.add(3.0), norms.take(), norms.take()
    (None, None, {'gradient_norm': 2.0, 'largest_gradient_norm': 3.0}, {})
    """

    total: float = 0.0
    largest: float = 0.0
    steps: int = 0

    def add(self, norm: float) -> None:
        """The norm of a step that is made."""
        self.total, self.largest = self.total + norm, max(self.largest, norm)
        self.steps += 1

    def take(self) -> dict[str, float]:
        """Mean and largest, by their names in the log, and a new beginning; empty without steps."""
        total, largest, steps = self.total, self.largest, self.steps
        self.total, self.largest, self.steps = 0.0, 0.0, 0
        if not steps:
            return {}
        return {"gradient_norm": total / steps, "largest_gradient_norm": largest}

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self.total, self.largest, self.steps = state["total"], state["largest"], state["steps"]


def gradient_scale(trainer: pl.Trainer) -> float | None:
    """What losses are multiplied with in float16, so that small gradients are not 0.

    None where they are not: in other precisions.
    """
    plugin = trainer.precision_plugin
    if not isinstance(plugin, pl.plugins.MixedPrecision) or plugin.scaler is None:
        return None
    return float(plugin.scaler.get_scale())


def check_trained_in_full(named: Iterable[tuple[str, nn.Parameter]]) -> None:
    """Refuse to train weights in half precision.

    An update below 1/2000 of a weight in float16, below 1/250 in bfloat16, changes nothing, and a
    gradient below 6e-8 is 0 in float16. Mixed precision keeps the weights in float32.

    Raises:
        ModelError: With the first such weight.
    """
    for name, value in named:
        if value.requires_grad and value.dtype in (torch.float16, torch.bfloat16):
            kind = str(value.dtype).removeprefix("torch.")
            raise ModelError(
                f"{name} - trains in half precision - {kind} - small updates of it would be lost: "
                "call .float() on the model, and choose 16-mixed or bf16-mixed as precision"
            )


def check_finite(named: Iterable[tuple[str, nn.Parameter]]) -> None:
    """Refuse weights that are no numbers.

    Raises:
        RunError: With the first weight that trains and holds NaN or infinity.
    """
    for name, value in named:
        if value.requires_grad and not bool(torch.isfinite(value).all()):
            raise RunError(
                f"{name} - not finite - NaN or infinite after an update - lower optim.lr; the "
                "checkpoint before is kept, if there was one"
            )
