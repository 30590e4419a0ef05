"""One training run: from a classifier and data to the same classifier, trained."""

import copy
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, LearningRateMonitor
from torch import Tensor

from adapt.common.signals import finishing
from adapt.data.image_data import ImageData
from adapt.data.loading.balance import class_weights
from adapt.data.loading.groups import Groups
from adapt.data.loading.workers import watched_workers
from adapt.data.sources.image_list import ImageList
from adapt.errors import ModelError, RecipeError, RunError
from adapt.models.classifier import Classifier
from adapt.training.context import NOTHING_KEPT, Context
from adapt.training.data_module import ImageDataModule
from adapt.training.devices import processes
from adapt.training.groups.objective import Following, WorstGroup
from adapt.training.module import AdaptModule
from adapt.training.objectives import CrossEntropy, Objective
from adapt.training.parameters import text_trains
from adapt.training.processes.group import active, is_first, process_count
from adapt.training.processes.lightning import Joined, strategy_of
from adapt.training.processes.sharding import put_together
from adapt.training.runtime import (
    check_compile,
    give_back,
    grown,
    inference_device,
    made_faster,
    resolve_accelerator,
    resolve_precision,
)
from adapt.training.settings import OF_WHOLE_WEIGHTS, Optim, Runtime
from adapt.training.trainer.background import BackgroundCheckpointIO
from adapt.training.trainer.callbacks import EpochLines, MadeBy, MovingAverage, Told
from adapt.training.trainer.checkpoints import LAST, AtomicCheckpointIO, checkpoint_to_resume
from adapt.training.trainer.epoch_log import KeepLog
from adapt.training.trainer.loggers import make_loggers
from adapt.training.trainer.stopping import RandomState, SaveOrStop, StoppedError
from adapt.training.trainer.trajectory import (
    KeepWeights,
    hand_over,
    kept_steps,
    weights_are_there,
)
from adapt.training.trainer.within_memory import (
    LastStep,
    Training,
    adopt_micro_batch,
    fit_within_memory,
)

CHECKPOINTS = "checkpoints"


def as_trained(classifier: Classifier) -> Classifier:
    """What trained is the result."""
    return classifier


def train(
    classifier: Classifier,
    data: ImageData,
    optim: Optim,
    context: Context,
    objective: Objective | None = None,
    finish: Callable[[Classifier], Classifier] = as_trained,
) -> Classifier:
    """Train what requires gradients in `classifier`, in place, and return it ready to use.

    That is on the CPU, in evaluation mode, with every weight requiring gradients again. A head
    from text follows a text encoder that trained. Where the context keeps a trajectory, it gets
    the models on the way, each as it would have been returned then.

    Args:
        classifier: See `AdaptModule`.
        data: Training images, and validation images for the log.
        optim: Optimiser, schedule and regularisation.
        context: Devices, seed, augmentation, folder.
        objective: The loss of a batch; see `AdaptModule`.
        finish: From what trained to what is returned; leaves what it is given as it is.

    Raises:
        ModelError: When nothing would train, or `optim` asks for what the classifier cannot give.
        RecipeError: When `optim.class_weights` names a class that is not there, or there are fewer
            steps than models to keep.
        RunError: When the loss stays non-finite, or a checkpoint cannot be written or read.
        KeyboardInterrupt: After Ctrl-C or SIGTERM; the running step is finished first, and a
            checkpoint saved where there is a folder.
    """
    if not any(p.requires_grad for p in classifier.parameters()):
        raise ModelError(
            "method - nothing would train - every parameter is frozen - lower optim.freeze_first"
        )
    if data.several_labels and context.balance != "none":
        balance = f"{context.balance!r}"
        what = "not for several labels per image"
        raise RecipeError(f"data.balance - {what} - {balance} - remove it")
    classifier.low_rank = None  # of a start; what it adds is no longer all that changes
    _check_runtime(optim, context.runtime)
    with processes(context.runtime) as group:
        size = group.member.size if group else 1
        _check_groups(optim, context, objective, size)
        given = classifier, data, grown(optim, context.runtime, size), context, objective
        if group is None:
            module = _trained(*given)
        else:
            with group.task(_trained, (*given[:3], _for_others(context), objective)):
                module = _trained(*given)
    if module.collapse:
        context.tell(f"after training, {module.collapse}: lower method.optim.lr")

    def result() -> Classifier:
        classifier.eval().requires_grad_(True)
        if module.text_trains and classifier.head_from_text:
            classifier.to(inference_device(context.runtime)).rebuild_head()
        return finish(classifier.cpu())

    if (kept := context.trajectory) is not None:
        keep = kept.keep
        hand_over(module, kept.folder, kept.count, lambda: keep(result()))
    return result()


def _for_others(context: Context) -> Context:
    """A context without what the first process does alone: tell, keep and show."""
    silent = replace(context, quiet=True, tell=_silent)
    return replace(silent, store=None, trajectory=None, stages=NOTHING_KEPT)


def _silent(_: str) -> None:
    """What the first process says is enough."""


def _trained(
    classifier: Classifier,
    data: ImageData,
    optim: Optim,
    context: Context,
    objective: Objective | None,
) -> AdaptModule:
    """In each process: train in place, with the others; returns what the trainer knew it as."""
    runtime, names = context.runtime, classifier.class_names
    groups = Groups.of(data.train, optim.groups, names) if optim.groups else None
    if groups is not None:
        context.tell(groups.sentence())
        following = Following(optim.group_rate, optim.group_adjustment, optim.label_smoothing)
        answers = CrossEntropy(text_trains=text_trains(classifier)).answers
        objective = WorstGroup(groups, following, answers)
    whole = getattr(objective, "whole_batch", False)
    weights = loss_weights(optim, data.train, names)
    shared = runtime.strategy == "fsdp" and active() is not None
    # What is shared out cannot become whole again: a copy is.
    trained = copy.deepcopy(classifier) if shared else classifier
    module = AdaptModule(trained, optim, context.seed, objective, weights)
    loader = ImageDataModule(
        data.train,
        data.val,
        names,
        classifier.backbone.preprocessing,
        context.augmentation,
        micro_batch(optim, process_count()) * (optim.accumulate if whole else 1),
        runtime.workers,
        context.seed,
    ).balanced(*(("uniform", groups.numbers) if groups else (context.balance,)))
    with made_faster(trained.backbone.image_encoder, runtime):
        _fit(module, loader, context, replace(optim, accumulate=1) if whole else optim)
    if shared:
        put_together(trained, classifier)
        module.classifier = classifier
    if optim.checkpointing:
        classifier.backbone.model.set_grad_checkpointing(False)
    return module


def _fit(module: AdaptModule, loader: ImageDataModule, context: Context, optim: Optim) -> None:
    """Let Lightning train; a signal ends it after a step, with `KeyboardInterrupt`."""
    told = Told(context.tell)
    context = replace(context, tell=told.tell)
    loader.tell = told.tell
    folder = context.folder / CHECKPOINTS if context.folder else None
    resumes = folder is not None and context.resume
    start = checkpoint_to_resume(folder, context.from_previous) if folder and resumes else None
    if start and context.trajectory and not weights_are_there(start, context.trajectory.folder):
        context.tell(f"{context.trajectory.folder} lacks weights: the training begins anew")
        start = None
    training = Training(module, loader, optim.accumulate, process_count())
    if start:
        adopt_micro_batch(training, start)
    with finishing() as asked, quiet_lightning(), deterministic():
        last = folder / LAST if folder else None
        made_by = MadeBy(context.recipe)
        give_back()

        def attempt(start: Path | None, step: LastStep) -> None:
            pl.seed_everything(context.seed, verbose=False)
            files = BackgroundCheckpointIO()
            saving = SaveOrStop(asked, last, context.runtime.checkpoint_minutes, files)
            now = replace(optim, accumulate=training.accumulate)
            kept = [RandomState(), made_by, told, step, KeepLog(), saving]
            trainer = make_trainer(now, context, kept)
            with watched_workers():
                trainer.fit(module, datamodule=loader, ckpt_path=start)
            files.check()

        try:
            fit_within_memory(attempt, training, start, folder, context.tell)
            if context.runtime.batch_size == "auto":
                context.tell(f"the training took {training.images} images at once")
        except (StoppedError, SystemExit) as error:  # Lightning exits on a signal while it starts
            raise KeyboardInterrupt(str(error)) from error
        except Exception as error:
            if start is not None and "size mismatch" in str(error):
                raise RunError(
                    f"{start} - does not fit - made with other classes or another method - "
                    "begin again with --overwrite"
                ) from error
            if asked():  # the signal ended a loading process too
                raise KeyboardInterrupt("the checkpoint before is kept") from error
            raise
        if asked():
            raise KeyboardInterrupt("this training is finished and saved, the run is not")


def _check_runtime(optim: Optim, runtime: Runtime) -> None:
    """Refuse what does not go with `torch.compile`, or with weights that are shared out."""
    check_compile(runtime.compile, resolve_accelerator(runtime.accelerator))
    for name in OF_WHOLE_WEIGHTS:
        if runtime.strategy == "fsdp" and getattr(optim, name):
            raise ModelError(
                f"runtime.strategy - fsdp does not go with optim.{name} - {getattr(optim, name)} - "
                "it needs whole weights in every process: set one of them to its default"
            )
    for name in ("feature_distillation", "car_ft", "lipsum_ft", "checkpointing"):
        if runtime.compile != "none" and getattr(optim, name):
            raise ModelError(
                f"runtime.compile - does not go with optim.{name} - {runtime.compile!r} - it looks "
                "into the encoder: set one of them to its default"
            )


def _check_groups(
    optim: Optim, context: Context, objective: Objective | None, processes_asked: int
) -> None:
    """Refuse what does not go with the loss of the worst group.

    Raises:
        ModelError: With the setting.
    """
    if not optim.groups:
        return
    wrong: tuple[str, str, object] | None = None
    if objective is not None:
        wrong = "optim.groups", "this method has a loss of its own", optim.groups
    elif context.balance != "none":
        wrong = "data.balance", "groups are drawn equally often", context.balance
    elif processes_asked > 1:
        wrong = "runtime.devices", "groups need one process", processes_asked
    if wrong:
        what, why, given = wrong
        raise ModelError(
            f"{what} - does not go with optim.groups - {given!r}: {why} - leave one of them out"
        )


def loss_weights(optim: Optim, images: ImageList, names: Sequence[str]) -> Tensor | None:
    """What `optim.class_weights` says of each class (K,); None where all weigh the same.

    Raises:
        RecipeError: When it names a class that is not there.
    """
    if images.several_labels:
        return None  # `check_objective` refuses to weigh them
    targets = images.targets(list(names))
    weights = class_weights(optim.class_weights, targets, names, "method.optim.class_weights")
    return None if weights is None else torch.from_numpy(weights)


def micro_batch(optim: Optim, processes: int) -> int:
    """Images that a process sees at once, so that one optimiser step sees `optim.batch_size`.

    Raises:
        ModelError: When the batch cannot be divided evenly.
    """
    parts = optim.accumulate * processes
    if optim.batch_size % parts:
        raise ModelError(
            f"optim.batch_size - does not divide - {optim.batch_size} over {processes} "
            f"devices x {optim.accumulate} micro-batches - give a multiple of {parts}"
        )
    return optim.batch_size // parts


def make_trainer(
    optim: Optim, context: Context, callbacks: Sequence[pl.Callback] = ()
) -> pl.Trainer:
    """The Lightning trainer for these settings, with more callbacks."""
    runtime, folder = context.runtime, context.folder
    device = resolve_accelerator(runtime.accelerator)
    average = MovingAverage(optim.ema) if optim.ema else None
    own: list[pl.Callback] = [] if average is None else [average]
    if (kept := context.trajectory) is not None:
        own.append(KeepWeights(kept.folder, _due(kept.count, optim), average))
    callbacks = [*own, *callbacks]
    savers = [callback for callback in callbacks if isinstance(callback, SaveOrStop)]
    group = active()
    loggers = []
    if folder and is_first():
        loggers = make_loggers(runtime.loggers or [], folder, context.tell)
        callbacks.append(LearningRateMonitor("epoch"))
    if not context.quiet:
        callbacks.append(EpochLines())
    return pl.Trainer(
        accelerator=device,
        devices=group.member.local_size if group else 1,
        num_nodes=group.member.nodes if group else 1,
        strategy=strategy_of(runtime.strategy, group),
        precision=resolve_precision(runtime.precision, device),  # type: ignore[arg-type]
        max_epochs=optim.epochs,
        accumulate_grad_batches=optim.accumulate,
        gradient_clip_val=None,
        callbacks=callbacks,
        logger=loggers,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        plugins=[
            savers[0].files if savers else AtomicCheckpointIO(),
            *([Joined(group.member)] if group else []),
        ],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,
    )


def _due(count: int, optim: Optim) -> Callable[[int], list[int]]:
    """From the number of all steps to those after which models are kept beside the result."""
    return lambda steps: kept_steps(steps, count + 1, optim.schedule, optim.warmup)[:-1]


@contextmanager
def deterministic() -> Iterator[None]:
    """Kernels that give equal results each time, where there are such; as before afterwards."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic
    filling = memory.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    torch.set_deterministic_debug_mode("warn")
    # Otherwise every new tensor is filled with NaN before it is written to.
    memory.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
        memory.fill_uninitialized_memory = filling
        torch.backends.cudnn.benchmark = benchmark


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
