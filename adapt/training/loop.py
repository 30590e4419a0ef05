"""One training run: from a classifier and data to the same classifier, trained."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor

from adapt.data.image_data import ImageData
from adapt.data.loading.balance import class_weights
from adapt.data.sources.image_list import ImageList
from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.callbacks import AtomicCheckpointIO, EpochLines, MovingAverage
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.module import AdaptModule
from adapt.training.objectives import Objective
from adapt.training.runtime import (
    check_loggers,
    inference_device,
    resolve_accelerator,
    resolve_precision,
)
from adapt.training.settings import Optim, Runtime


def train(
    classifier: Classifier,
    data: ImageData,
    optim: Optim,
    context: Context,
    objective: Objective | None = None,
) -> Classifier:
    """Train what requires gradients in `classifier`, in place, and return it ready to use.

    That is on the CPU, in evaluation mode, with every weight requiring gradients again. A head
    from text follows a text encoder that trained.

    Args:
        classifier: See `AdaptModule`.
        data: Training images, and validation images for the log.
        optim: Optimiser, schedule and regularisation.
        context: Devices, seed, augmentation, folder.
        objective: The loss of a batch; see `AdaptModule`.

    Raises:
        ModelError: When nothing would train, or `optim` asks for what the classifier cannot give.
        RecipeError: When `optim.class_weights` names a class that is not there.
        RunError: When the loss stays non-finite or a checkpoint cannot be written.
    """
    if not any(p.requires_grad for p in classifier.parameters()):
        raise ModelError(
            "method - nothing would train - every parameter is frozen - lower optim.freeze_first"
        )
    names, whole = classifier.class_names, getattr(objective, "whole_batch", False)
    weights = loss_weights(optim, data.train, names)
    module = AdaptModule(classifier, optim, context.seed, objective, weights)
    loader = ImageDataModule(
        data.train,
        data.val,
        names,
        classifier.backbone.preprocessing,
        context.augmentation,
        micro_batch(optim, context.runtime) * (optim.accumulate if whole else 1),
        context.runtime.workers,
        context.seed,
    ).balanced(context.balance)
    last = context.folder / "checkpoints" / "last.ckpt" if context.folder else None
    with quiet_lightning():
        pl.seed_everything(context.seed, verbose=False)
        make_trainer(replace(optim, accumulate=1) if whole else optim, context).fit(
            module, datamodule=loader, ckpt_path=_resume_from(last, context)
        )
    if optim.checkpointing:
        classifier.backbone.model.set_grad_checkpointing(False)
    classifier.eval().requires_grad_(True)
    if module.text_trains and classifier.head_from_text:
        classifier.to(inference_device(context.runtime)).rebuild_head()
    return classifier.cpu()


def loss_weights(optim: Optim, images: ImageList, names: Sequence[str]) -> Tensor | None:
    """What `optim.class_weights` says of each class (K,); None where all weigh the same.

    Raises:
        RecipeError: When it names a class that is not there.
    """
    targets = images.targets(list(names))
    weights = class_weights(optim.class_weights, targets, names, "method.optim.class_weights")
    return None if weights is None else torch.from_numpy(weights)


def micro_batch(optim: Optim, runtime: Runtime) -> int:
    """Images a device sees at once, so that one optimiser step sees `optim.batch_size`.

    Raises:
        ModelError: When the batch cannot be divided evenly.
    """
    parts = optim.accumulate * runtime.devices
    if optim.batch_size % parts:
        raise ModelError(
            f"optim.batch_size - does not divide - {optim.batch_size} over {runtime.devices} "
            f"devices x {optim.accumulate} micro-batches - give a multiple of {parts}"
        )
    return optim.batch_size // parts


def make_trainer(optim: Optim, context: Context) -> pl.Trainer:
    """The Lightning trainer for these settings."""
    runtime, folder = context.runtime, context.folder
    device = resolve_accelerator(runtime.accelerator)
    callbacks: list[pl.Callback] = [MovingAverage(optim.ema)] if optim.ema else []
    loggers = make_loggers(runtime, folder) if folder else []
    if folder:
        callbacks += [
            LearningRateMonitor("epoch"),
            ModelCheckpoint(
                folder / "checkpoints",
                filename="last",
                save_top_k=1,
                every_n_epochs=1,
                enable_version_counter=False,
            ),
        ]
    if not context.quiet:
        callbacks.append(EpochLines())
    return pl.Trainer(
        accelerator=device,
        devices=runtime.devices,
        strategy=runtime.strategy,
        precision=resolve_precision(runtime.precision, device),  # type: ignore[arg-type]
        max_epochs=optim.epochs,
        accumulate_grad_batches=optim.accumulate,
        gradient_clip_val=None,
        callbacks=callbacks,
        logger=loggers,
        enable_checkpointing=folder is not None,
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,
        deterministic="warn",
    )


def make_loggers(runtime: Runtime, folder: Path) -> list[Logger]:
    """The CSV log, always, and the loggers asked for.

    Raises:
        MissingExtraError: When a logger's package is not installed.
    """
    check_loggers(runtime.loggers or [])
    loggers: list[Logger] = [CSVLogger(str(folder), name="", version="log")]
    for name in runtime.loggers or []:
        if name == "tensorboard":
            loggers.append(TensorBoardLogger(str(folder), name="", version="tensorboard"))
        elif name == "wandb":
            loggers.append(pl.loggers.WandbLogger(save_dir=str(folder), offline=True))
        else:
            loggers.append(pl.loggers.MLFlowLogger(save_dir=str(folder / "mlruns")))
    return loggers


def _resume_from(last: Path | None, context: Context) -> Any:
    return last if context.resume and last is not None and last.is_file() else None


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices about devices and tips off the terminal; errors still show."""
    os.environ.setdefault("POSSIBLE_USER_WARNINGS", "off")
    names = (
        "pytorch_lightning",
        "lightning.pytorch",
        "lightning_fabric",
        "pytorch_lightning.utilities.rank_zero",
        "lightning_fabric.utilities.seed",
    )
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric|torch)\..*")
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
