"""A training step that does not fit into memory is computed again, in smaller micro-batches.

The sum over the images of a step stays what it is, so batch, rate and result do. Training goes on
behind the last whole step: weights, moments and schedule are those of then until the next update.
"""

import gc
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from adapt.errors import RunError, one_line, out_of_memory
from adapt.training.processes.group import is_first
from adapt.training.trainer.checkpoints import LAST, AtomicCheckpointIO
from adapt.training.trainer.numbers import NotFiniteError

WAYS_OUT = (
    "set method.optim.checkpointing=true (a third slower), freeze blocks with "
    "method.optim.freeze_first or train fewer weights with the method lora, or take a smaller "
    "model or runtime.precision=bf16-mixed"
)
MICRO_BATCH = "micro_batch"
"""Of a checkpoint: images at once, in which the position in an epoch is counted."""


def smaller(images: int) -> int:
    """The largest micro-batch of at most half the images that divides them.

    >>> smaller(64), smaller(15), smaller(7)
    (32, 5, 1)
    """
    return next(size for size in range(images // 2, 0, -1) if images % size == 0)


class LastStep(pl.Callback):
    """Keeps where the last whole step ended, and what a checkpoint of it holds when a step fails.

    It is not written then: memory has run out, and what the step had computed is still held.

    Args:
        micro_batch: Images at once, for every checkpoint of this training.
    """

    def __init__(self, micro_batch: int) -> None:
        self.micro_batch = micro_batch
        self.place: dict[str, Any] | None = None
        self.content: dict[str, Any] | None = None
        self.failed = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, number: int
    ) -> None:
        """Remember the end of a step within an epoch."""
        if (number + 1) % trainer.accumulate_grad_batches == 0 and not trainer.is_last_batch:
            self._remember(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Remember the end of an epoch."""
        self._remember(trainer)

    def _remember(self, trainer: pl.Trainer) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        self.place = {
            "loop": trainer.fit_loop.state_dict(),
            "epoch": trainer.current_epoch,
            "global_step": trainer.global_step,
            "data": data.state_dict(),
        }

    def on_exception(self, trainer: pl.Trainer, module: Any, exception: BaseException) -> None:
        """Take the last whole step, if there was one and what failed has not touched it."""
        # Of several processes the others do not know, and take no part.
        memory = bool(module.computing) and out_of_memory(exception) and trainer.world_size == 1
        numbers = (
            isinstance(exception, NotFiniteError) and module.tally.skipped < module.global_step
        )
        if self.place is None or not (memory or numbers):
            return
        traceback.clear_frames(exception.__traceback__)  # they hold activations
        self.failed = True
        self.content = trainer._checkpoint_connector.dump_checkpoint()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Name the micro-batch; after a failure, put the place of the last whole step in."""
        checkpoint[MICRO_BATCH] = self.micro_batch
        if self.failed and self.place is not None:
            checkpoint["loops"]["fit_loop"] = self.place["loop"]
            checkpoint[type(trainer.datamodule).__qualname__] = self.place["data"]  # type: ignore[attr-defined]
            checkpoint |= {key: self.place[key] for key in ("epoch", "global_step")}


@contextmanager
def kept_in(folder: Path | None) -> Iterator[Path]:
    """The folder, or one for a while where there is none."""
    if folder is not None:
        yield folder
        return
    with TemporaryDirectory(prefix="training-") as aside:
        yield Path(aside)


@dataclass
class Training:
    """What is trained on what, and how many images at once."""

    module: Any
    """An `AdaptModule`."""
    loader: Any
    """An `ImageDataModule`, whose batches are the micro-batches of the trainer."""
    accumulate: int
    """Micro-batches of a step."""
    devices: int = 1

    @property
    def parts(self) -> int:
        """Parts that an objective which needs the whole batch encodes it in; 0 for others."""
        whole = getattr(self.module.objective, "whole_batch", False)
        return int(getattr(self.module.objective, "parts", 0)) if whole else 0

    @property
    def images(self) -> int:
        """Images that activations are kept of at once."""
        return int(self.loader.batch_size) // max(self.parts, 1)

    def resize(self, images: int) -> None:
        """Have fewer images at once, and as many in a step as before."""
        if self.parts:
            self.module.objective.parts = self.loader.batch_size // images
        else:
            self.accumulate *= self.loader.batch_size // images
            self.loader.batch_size = images

    def refusal(self) -> str | None:
        """Why there can be no fewer images at once; None where there can be."""
        if not self.module.computing:
            return "in the update of the weights, which takes no less with fewer images"
        if self.devices > 1:
            return f"on one of {self.devices} devices, where method.optim.accumulate is not changed"
        if self.images == 1:
            return "with one image at once"
        objective, model = self.module.objective, self.module.classifier.backbone.model
        if not getattr(objective, "whole_batch", False):
            return None
        if not self.parts:
            return f"{type(objective).__name__} needs the {self.loader.batch_size} images at once"
        norms = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules())
        return "batch norms would see each part of the batch for itself" if norms else None


def fit_within_memory(
    attempt: Callable[[Path | None, LastStep], None],
    training: Training,
    start: Path | None,
    folder: Path | None,
    tell: Callable[[str], None],
) -> None:
    """Train; a step that runs out of memory is followed by one with smaller micro-batches.

    Args:
        attempt: Trains from a checkpoint, or from the beginning, with the callback.
        training: What `attempt` trains; changed where memory does not suffice.
        start: The checkpoint to begin from.
        folder: Of checkpoints; where there is none, one is written aside and does not stay.
        tell: Called with a sentence for each change.

    Raises:
        RunError: When smaller micro-batches cannot help, with three ways out; or when too many
            steps were not finite, with what is kept.
    """
    with kept_in(folder) as place:
        while True:
            step = LastStep(training.images)
            try:
                attempt(start, step)
                return
            except NotFiniteError as error:
                raise NotFiniteError(f"{error}; {_kept(step, folder)}") from error
            except Exception as error:
                if not out_of_memory(error):
                    raise
                refusal = training.refusal()
                if refusal or (step.place is not None and step.content is None):
                    reason = refusal or "and none was left to save the step before"
                    raise RunError(
                        f"training - out of memory - {reason}: {one_line(error)} - {WAYS_OUT}"
                    ) from error
            # Out of the block nothing holds what the step had computed any more.
            batches = training.loader.batch_size
            tell(f"out of memory in step {training.module.global_step + 1}: {_shrink(training)}")
            content = step.content if step.content is not None else _read(start)
            del step
            if content is not None:
                count_in(content, training.images, batches // training.loader.batch_size)
                AtomicCheckpointIO().save_checkpoint(content, place / LAST)
                start = place / LAST
            del content


def _kept(step: LastStep, folder: Path | None) -> str:
    """Save the last good weights; where they are, in words."""
    if step.content is None or folder is None:
        return "nothing is saved"
    if is_first():
        AtomicCheckpointIO().save_checkpoint(step.content, folder / LAST)
    return f"the last good weights are in {folder / LAST}"


def _read(start: Path | None) -> dict[str, Any] | None:
    return None if start is None else torch.load(start, map_location="cpu", weights_only=True)


def _shrink(training: Training) -> str:
    """Have fewer images at once; what changed, in words."""
    training.module.begin_step_again()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    before, after = training.images, smaller(training.images)
    training.resize(after)
    whole = training.loader.batch_size * training.accumulate
    return (
        f"{before} images at once do not fit, so {after} are taken; a step still has {whole} of "
        "them, at the same rate"
    )


def adopt_micro_batch(training: Training, start: Path) -> None:
    """Take as many images at once as the training of a checkpoint did at its end."""
    content = torch.load(start, map_location="cpu", weights_only=True, mmap=True)
    images = int(content.get(MICRO_BATCH, training.images))
    if images < training.images and training.images % images == 0:
        training.resize(images)


def count_in(content: dict[str, Any], images: int, factor: int) -> None:
    """Make a checkpoint that of a training which takes fewer images at once.

    Args:
        content: The checkpoint.
        images: How many.
        factor: What the number of batches in an epoch grows by.
    """
    progress = content["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    for name in ("total", "current"):
        progress[name] = _counted(progress[name], factor)
    content[MICRO_BATCH] = images


def _counted(count: Mapping[str, int], factor: int) -> dict[str, int]:
    """A count of batches in parts of them; one that is not completed is one still."""
    running = count["processed"] - count["completed"]
    values = {name: value * factor for name, value in count.items()}
    return values | {"completed": values["processed"] - running}
