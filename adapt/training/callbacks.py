"""Callbacks: moving average of the weights, and one plain line per epoch."""

import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


class MovingAverage(pl.Callback):
    """Exponential moving average of what trains; put into the module when training ends.

    Early in training the decay is lowered to (1 + steps) / (10 + steps), so that the average
    forgets the start. The average travels in the checkpoints.

    Args:
        decay: Share of the old average kept at each step.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.average: dict[str, Tensor] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Update after every optimiser step."""
        if trainer.global_step == self.steps:
            return
        self.steps = trainer.global_step
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                value = parameter.detach()
                old = self.average.get(name, value.clone())
                self.average[name] = old.to(value.device).lerp(value, 1 - decay)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the average in place of the last weights; also when a whole run was resumed."""
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name in self.average:
                    parameter.copy_(self.average[name])

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"steps": self.steps, "average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.steps, self.average = state_dict["steps"], state_dict["average"]


class EpochLines(pl.Callback):
    """One plain line per epoch on standard error: for logs, where a progress bar is noise."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Print what was logged in this epoch."""
        shown = {
            k: v
            for k, v in trainer.callback_metrics.items()
            if k in ("train_loss", "val_loss", "val_accuracy")
        }
        parts = "  ".join(f"{name} {float(value):.4f}" for name, value in shown.items())
        seconds = time.monotonic() - self.started
        if trainer.is_global_zero:
            sys.stderr.write(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {parts}  {seconds:.0f} "
                "s\n"
            )
