"""When training saves, and how it stops: after a step, with everything needed to go on saved."""

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from adapt.common.signals import take_over
from adapt.training.trainer.background import BackgroundCheckpointIO
from adapt.training.trainer.tally import of_every_process

SHARE = 0.03
"""Most of the time that saves at the ends of epochs may take, where they come often."""


class StoppedError(Exception):
    """Ends a trainer after a signal; `train` turns it into a `KeyboardInterrupt`.

    Lightning would end the process on a `KeyboardInterrupt` itself.
    """


class SaveOrStop(Checkpoint):
    """Save by the clock, after an epoch and after the last step; stop after the step of a signal.

    A checkpoint is always that of a whole optimiser step. After the last step of an epoch,
    validation is waited for. Steps do not wait for a checkpoint to be written, except the last
    one, the one before a stop, and those of `minutes` 0. While one is being written no other is
    begun; and an epoch ends without one where saves would take more than `SHARE` of the time. Among
    those that are saved at the end of an epoch the best is kept: that of the lowest `val_loss`.

    Args:
        asked: Whether a signal came.
        last: The checkpoint to write; None saves nothing.
        minutes: Time between two checkpoints; 0 saves after every step.
        files: Writes them; the same as that of the trainer.
    """

    def __init__(
        self, asked: Callable[[], bool], last: Path | None, minutes: float,
        files: BackgroundCheckpointIO,
    ) -> None:  # fmt: skip
        self.asked, self.last, self.seconds = asked, last, 60 * minutes
        self.files = files
        self.saved = time.monotonic()
        self.stopping = False
        self.lowest = math.inf

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
        self.files.check()
        whole = (number + 1) % trainer.accumulate_grad_batches == 0
        if not whole or trainer.is_last_batch:
            return
        asked, due = self._agreed(trainer, self._due())
        if asked or due:
            self._save(trainer, wait=asked)
        if asked:
            place = (
                f"step {number + 1} of {trainer.num_training_batches} in epoch "
                f"{trainer.current_epoch + 1} of {trainer.max_epochs}"
            )
            raise StoppedError(self._told(place))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save if it is not too soon, and after the last epoch."""
        cheap = time.monotonic() - self.saved >= self.files.seconds / SHARE
        due = self._due() or (cheap and not self.files.busy)
        self.stopping, due = self._agreed(trainer, due)
        ends = self.stopping or trainer.current_epoch + 1 == trainer.max_epochs
        if due or ends:
            loss = float(trainer.callback_metrics.get("val_loss", math.inf))
            best = loss < self.lowest
            self.lowest = min(loss, self.lowest)
            self._save(trainer, wait=ends, best=best)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"lowest": self.lowest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.lowest = float(state_dict["lowest"])

    def _save(self, trainer: pl.Trainer, wait: bool, best: bool = False) -> None:
        if self.last is None:
            return
        self.files.best, self.files.another = best, not wait
        trainer.save_checkpoint(self.last)
        if wait or not self.seconds:
            self.files.finish()
        self.saved = time.monotonic()

    def _told(self, place: str) -> str:
        return place if self.last is None else f"{place} is saved"

    def _due(self) -> bool:
        """Whether it is time; what is being written is not overtaken."""
        late = time.monotonic() - self.saved >= self.seconds
        return late and not self.files.busy

    def _agreed(self, trainer: pl.Trainer, due: bool) -> tuple[bool, bool]:
        """Whether to stop and whether to save: a signal to any process counts, and one clock."""
        asked, due = self.asked(), due and self.last is not None and trainer.is_global_zero
        if trainer.world_size == 1:
            return asked, due
        votes = torch.tensor([float(asked), float(due)], device=trainer.strategy.root_device)
        stop, save = trainer.strategy.reduce(votes, reduce_op="sum").tolist()
        return bool(stop), bool(save)


class RandomState(pl.Callback):
    """What is drawn after a resume is what would have been drawn without the stop.

    A checkpoint holds the states of PyTorch, of the device, of Python and of NumPy, of each
    process. They are put back where there are as many processes as before.
    """

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the state of a checkpoint back."""
        if len(self.states) == trainer.world_size:
            _put_back(self.states[trainer.global_rank])

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint; every process takes part."""
        return {"states": of_every_process(_drawn_so_far())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.states = list(state_dict["states"])


def _drawn_so_far() -> dict[str, Any]:
    """The random states of this process, as a checkpoint can hold them."""
    numpy: Any = np.random.get_state(legacy=False)
    numpy["state"]["key"] = torch.from_numpy(numpy["state"]["key"].astype(np.int64))
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "python": random.getstate(),
        "numpy": numpy,
    }


def _put_back(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].cpu())
    random.setstate(states["python"])
    numpy = states["numpy"]
    key = numpy["state"]["key"].cpu().numpy().astype(np.uint32)
    np.random.set_state({**numpy, "state": {**numpy["state"], "key": key}})
