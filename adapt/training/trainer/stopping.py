"""How training stops when it is asked to: after a step, with everything needed to go on saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from adapt.common.signals import take_over


class StoppedError(Exception):
    """Ends a trainer after a signal; `train` turns it into a `KeyboardInterrupt`.

    Lightning would end the process on a `KeyboardInterrupt` itself.
    """


class StopWhenAsked(pl.Callback):
    """Stop after the optimiser step in which a signal came, with a checkpoint of that step.

    After the last step of an epoch the epoch's own checkpoint is waited for.

    Args:
        asked: Whether a signal came.
        last: The checkpoint to write; None saves nothing.
    """

    def __init__(self, asked: Callable[[], bool], last: Path | None) -> None:
        self.asked, self.last = asked, last

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Lightning has put its own handler of SIGTERM in place by now."""
        take_over()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop between two epochs."""
        if self._asked(trainer):
            raise StoppedError(f"epoch {trainer.current_epoch} of {trainer.max_epochs} is saved")

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, number: int
    ) -> None:
        """Stop within an epoch, where a step is complete."""
        whole = (number + 1) % trainer.accumulate_grad_batches == 0
        if not whole or trainer.is_last_batch or not self._asked(trainer):
            return
        place = (
            f"step {number + 1} of {trainer.num_training_batches} in epoch "
            f"{trainer.current_epoch + 1} of {trainer.max_epochs}"
        )
        if self.last is not None:
            trainer.save_checkpoint(self.last)
            raise StoppedError(f"{place} is saved")
        raise StoppedError(place)

    def _asked(self, trainer: pl.Trainer) -> bool:
        """On several devices, all of them stop when one is asked."""
        if trainer.world_size == 1:
            return self.asked()
        return bool(trainer.strategy.reduce_boolean_decision(self.asked(), all=False))


class RandomState(pl.Callback):
    """What dropout draws after a resume is what it would have drawn without the stop.

    On several devices each draws its own, and only the state of the first would be saved: nothing
    is put back there.
    """

    def __init__(self) -> None:
        self.states: list[torch.Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the state of a checkpoint back."""
        if self.states and trainer.world_size == 1:
            torch.set_rng_state(self.states[0])
            if torch.cuda.is_available() and len(self.states) == 1 + torch.cuda.device_count():
                torch.cuda.set_rng_state_all(self.states[1:])

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        on_cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {"states": [torch.get_rng_state(), *on_cuda]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.states = [state.cpu() for state in state_dict["states"]]
