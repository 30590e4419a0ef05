"""Models on the way of a training, so that averaging along it costs no training (SWA)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from adapt.common.files import write_whole
from adapt.errors import RecipeError
from adapt.models.bundle.tensors import load_tensors, save_tensors
from adapt.training.trainer.callbacks import MovingAverage, moving_values

FALLING, CONSTANT = 1 / 2, 1 / 4
"""Part of the steps that models are kept from. SWA averages over the last quarter of a budget, at a
constant rate. Under half a cosine that ends at zero only 2.5 % of the sum of the rates lie in that
quarter, too little for the models to differ, and 18 % in the last half."""


def kept_steps(steps: int, count: int, schedule: str, warmup: float) -> list[int]:
    """The steps after which models are kept, evenly spaced, the last step among them.

    As in SWA (Izmailov et al. 2018, arXiv:1803.05407) the first comes one interval after the
    beginning of the part that is averaged. That part lies behind the warm-up.

    Args:
        steps: Of the whole training.
        count: How many models, with the last.
        schedule: `cosine` or `constant`, which says how long the part is: `FALLING`, `CONSTANT`.
        warmup: Fraction of the steps with a rising rate.

    Raises:
        RecipeError: When there are fewer steps than models in that part.

    >>> kept_steps(100, 4, "cosine", 0.1), kept_steps(100, 2, "constant", 0.1)
    ([62, 75, 88, 100], [88, 100])
    """
    part = CONSTANT if schedule == "constant" else FALLING
    begin = max(round(steps * (1 - part)), round(steps * warmup))
    if count > steps - begin:
        raise RecipeError(
            f"ensemble.members.checkpoints - too many - {count} of the last {steps - begin} steps "
            f"of {steps} - give fewer, or train longer"
        )
    return [round(begin + (steps - begin) * number / count) for number in range(1, count + 1)]


class KeepWeights(pl.Callback):
    """Write what trains after some steps; a moving average of it where that is what is returned.

    Which were written is in the checkpoints: after a resume none is written twice.

    Args:
        folder: Where to.
        due: From the number of all steps to those to write after.
        average: Stands before this callback in the list of the trainer.
    """

    def __init__(
        self, folder: Path, due: Callable[[int], list[int]], average: MovingAverage | None = None
    ) -> None:
        self.folder, self.due, self.average = folder, due, average
        self.steps: list[int] = []
        self.written = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Find out which steps; refuse more models than there are steps."""
        self.steps = self.due(int(trainer.estimated_stepping_batches))

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Write after a step that is due."""
        if trainer.global_step not in self.steps[self.written : self.written + 1]:
            return
        values = moving_values(module) if self.average is None else self.average.average
        if trainer.is_global_zero:
            path = _weights(self.folder, self.written)
            write_whole(path, lambda part: save_tensors(values, part))
        self.written += 1

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"written": self.written}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.written = state_dict["written"]


def hand_over(module: nn.Module, folder: Path, count: int, take: Callable[[], None]) -> None:
    """Put the weights of each model in turn into a module; afterwards it is what it was.

    Args:
        module: What trained.
        folder: Has the weights.
        count: How many models.
        take: Called when the module has the weights of one.
    """
    last = {name: value.clone() for name, value in moving_values(module).items()}
    for number in range(count):
        _put(module, load_tensors(_weights(folder, number)))
        take()
    _put(module, last)


def weights_are_there(checkpoint: Path, folder: Path) -> bool:
    """Whether all that was written before a checkpoint is still there."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    states = content.get("callbacks", {})
    written = max((state["written"] for state in states.values() if "written" in state), default=0)
    return all(_weights(folder, number).is_file() for number in range(written))


def _weights(folder: Path, number: int) -> Path:
    return folder / f"{number}.safetensors"


def _put(module: nn.Module, values: dict[str, Tensor]) -> None:
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)
