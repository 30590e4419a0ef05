"""What a trainer is given: moving average of the weights, lines of progress."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from adapt.common.content import source_hash
from adapt.common.files import json_text
from adapt.common.progress import told, write_line
from adapt.version import __version__

SHOWN = ("train_loss", "val_loss", "val_accuracy")


class MovingAverage(pl.Callback):
    """Exponential moving average of what trains; put into the module when training ends.

    The running means and variances of batch norms are averaged with the weights they belong to; how
    many batches they saw is what it is after the last step.

    Early in training the decay is lowered to (1 + steps) / (10 + steps), so that the average
    forgets the start. The average travels in the checkpoints. Lightning's `EMAWeightAveraging` has
    no such warm-up, copies and saves the frozen weights too, and validates with the average.

    Args:
        decay: Fraction of the old average that is kept at each step.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.average: dict[str, Tensor] = {}
        self.followed: list[Tensor] = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Update after every optimiser step."""
        if trainer.global_step == self.steps:
            return
        self.steps = trainer.global_step
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        if not self.followed:
            values = moving_values(module)
            self.average = {
                name: self.average[name].to(value.device) if name in self.average else value.clone()
                for name, value in values.items()
            }
            self.followed = list(values.values())
        torch._foreach_lerp_(list(self.average.values()), self.followed, 1 - decay)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the average in place of the last weights; also when a whole run was resumed."""
        for name, value in moving_values(module).items():
            if name in self.average:
                value.copy_(self.average[name])
        self.followed = []

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"steps": self.steps, "average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.steps, self.average = state_dict["steps"], state_dict["average"]


def moving_values(module: nn.Module) -> dict[str, Tensor]:
    """What trains, and the statistics of batch norms, as views of the module's own numbers.

    Args:
        module: See `AdaptModule`, whose names they have.
    """
    values = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    for path, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            buffers = part.named_buffers(recurse=False)
            values |= {f"{path}.{name}": b for name, b in buffers if b.is_floating_point()}
    return values


class MadeBy(pl.Callback):
    """Write into checkpoints what made them: the version, the code, the settings of the recipe.

    Args:
        recipe: All settings; nothing where there is no recipe.
    """

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        self.content = {
            "adapt": __version__,
            "code": source_hash(["adapt"]),
            "recipe": json_text(recipe),
        }

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Beside the weights."""
        checkpoint["made_by"] = self.content


class Told(pl.Callback):
    """Sentences that a training told, in its checkpoints: told again by one that goes on.

    Args:
        tell: Called with each sentence.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.call, self.sentences = tell, list[str]()

    def tell(self, sentence: str) -> None:
        """Tell it, and remember it."""
        self.sentences.append(sentence)
        self.call(sentence)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"sentences": list(self.sentences)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint; what this process has told itself is not told twice."""
        for sentence in state_dict["sentences"]:
            if sentence not in self.sentences:
                self.tell(sentence)


class EpochLines(pl.Callback):
    """One plain line per epoch on standard error, and each step told to whoever shows progress."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, number: int
    ) -> None:
        """Tell how far the training is."""
        tell, batches = told(), int(trainer.num_training_batches)
        if tell is not None and trainer.is_global_zero:
            total = batches * (trainer.max_epochs or 0)
            tell("training", trainer.current_epoch * batches + number + 1, total)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Print what was logged in this epoch."""
        if not trainer.is_global_zero:
            return
        metrics = trainer.callback_metrics
        parts = "  ".join(f"{name} {float(metrics[name]):.4f}" for name in SHOWN if name in metrics)
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        write_line(f"{epoch}  {parts}  {time.monotonic() - self.started:.0f} s")
