"""When training saves, and how it stops: after a step, with everything needed to go on saved."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from adapt.common.signals import take_over


class StoppedError(Exception):
    """Ends a trainer after a signal; `train` turns it into a `KeyboardInterrupt`.

    Lightning would end the process on a `KeyboardInterrupt` itself.
    """


class SaveOrStop(Checkpoint):
    """Save by the clock and after the last step; stop after the step in which a signal came.

    A checkpoint is always that of a whole optimiser step. After the last step of an epoch,
    validation is waited for.

    Args:
        asked: Whether a signal came.
        last: The checkpoint to write; None saves nothing.
        minutes: Time between two checkpoints.
    """

    def __init__(self, asked: Callable[[], bool], last: Path | None, minutes: float) -> None:
        self.asked, self.last, self.seconds = asked, last, 60 * minutes
        self.saved = time.monotonic()
        self.stopping = False

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Lightning has put its own handler of SIGTERM in place by now."""
        take_over()
        self.saved = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop between two epochs."""
        if self.stopping:
            raise StoppedError(self._told(f"epoch {trainer.current_epoch} of {trainer.max_epochs}"))

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, number: int
    ) -> None:
        """Save or stop within an epoch, where a step is complete."""
        whole = (number + 1) % trainer.accumulate_grad_batches == 0
        if not whole or trainer.is_last_batch:
            return
        asked, due = self._agreed(trainer)
        if asked or due:
            self._save(trainer)
        if asked:
            place = (
                f"step {number + 1} of {trainer.num_training_batches} in epoch "
                f"{trainer.current_epoch + 1} of {trainer.max_epochs}"
            )
            raise StoppedError(self._told(place))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save if it is time, and after the last epoch."""
        self.stopping, due = self._agreed(trainer)
        if self.stopping or due or trainer.current_epoch + 1 == trainer.max_epochs:
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        if self.last is not None:
            trainer.save_checkpoint(self.last)
            self.saved = time.monotonic()

    def _told(self, place: str) -> str:
        return place if self.last is None else f"{place} is saved"

    def _agreed(self, trainer: pl.Trainer) -> tuple[bool, bool]:
        """Whether to stop and whether to save; all devices do what one is asked, or finds due."""
        asked = self.asked()
        due = self.last is not None and time.monotonic() - self.saved >= self.seconds
        if trainer.world_size == 1:
            return asked, due
        votes = torch.tensor([float(asked), float(due)], device=trainer.strategy.root_device)
        stop, save = trainer.strategy.reduce(votes, reduce_op="sum").tolist()
        return bool(stop), bool(save)


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
