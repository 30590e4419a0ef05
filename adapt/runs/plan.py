"""What a recipe would do, without doing it."""

from pathlib import Path
from typing import Any

from adapt.common.words import first_few, plural
from adapt.data.loading.workers import workers_that_fit
from adapt.errors import RunError
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import Loaded
from adapt.runs.fit import check_weight_names
from adapt.runs.memory import memory_of, prepared
from adapt.runs.micro_batch import fitted
from adapt.runs.space import check_space, space_of
from adapt.runs.start import classes_of, zero_shot_of
from adapt.training.features.batch_norm import check_batch_norms
from adapt.training.loop import micro_batch
from adapt.training.runtime import (
    check_compile,
    count_workers,
    grown,
    resolve_accelerator,
    resolve_precision,
)
from adapt.training.settings import Optim, Runtime, with_epochs
from adapt.training.trainer.loggers import check_loggers

SMALL_VAL = 50
FEW_PER_CLASS = 2


def plan(loaded: Loaded) -> dict[str, Any]:
    """Resolved settings, trainable parameters, images per split, memory and risks; trains nothing.

    Raises:
        AdaptError: As a run of the recipe would before training.
    """
    recipe = loaded.recipe
    check_loggers(recipe.runtime.loggers or [])
    data = build_data(recipe)
    data.notes[:0] = loaded.notes
    check_weight_names(loaded.method, data.fit.class_names)
    start = zero_shot_of(recipe, classes_of(recipe, data.fit))
    if recipe.ensemble.batch_norm == "reestimate":
        check_batch_norms(start)
    loaded = fitted(loaded, start, data.notes.append)
    tuned = prepared(loaded.method, start)
    trainable = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    total = sum(p.numel() for p in start.parameters())
    device = resolve_accelerator(recipe.runtime.accelerator)
    check_compile(recipe.runtime.compile, device)
    optim = getattr(loaded.method, "optim", None)
    if optim and (per_shot := getattr(loaded.method, "steps_per_shot", 0)):
        optim = with_epochs(optim, len(data.fit.train), len(data.fit.class_names), per_shot)
    optim = grown(optim, recipe.runtime, recipe.runtime.devices) if optim else None
    if optim:
        _check_shared_memory(data, recipe.runtime, optim, start.backbone.preprocessing.size)
    space = space_of(recipe, loaded.method, start, tuned, data)
    try:
        check_space(space, Path("runs"))
    except RunError as error:
        data.notes.append(str(error))
    return {
        "settings": loaded.resolved,
        "device": device,
        "precision": resolve_precision(recipe.runtime.precision, device),
        "parameters": {"total": total, "trainable": trainable, "share": trainable / total},
        "images": {
            "train": len(data.fit.train),
            "val": len(data.fit.val or []),
            **{name: len(images) for name, images in data.evals.items()},
        },
        "classes": len(data.fit.class_names),
        "steps": optim.epochs * -(-len(data.fit.train) // optim.batch_size) if optim else 0,
        "memory_gib": memory_of(recipe, loaded.method, start, tuned).gib,
        "disk_gb": {"run": round(space.run / 1e9, 3), "cache": round(space.cache / 1e9, 3)},
        "risks": [*data.notes, *risks(data, loaded)],
    }


def _check_shared_memory(data: RunData, runtime: Runtime, optim: Optim, size: int) -> None:
    """Note where loading processes would have too little of it, as a run says when it trains."""
    images = len(data.fit.train)
    workers = count_workers(runtime.workers, images, runtime.devices) * runtime.devices
    batch = min(micro_batch(optim, runtime.devices), images) * 3 * size**2
    try:
        workers_that_fit(workers, batch, runtime.workers != "auto", data.notes.append)
    except RunError as error:
        data.notes.append(str(error))


def risks(data: RunData, loaded: Loaded) -> list[str]:
    """What may go wrong with this data and recipe, in plain words."""
    sentences, fit = [], data.fit
    few = [key for key, count in fit.train.counts().items() if count < FEW_PER_CLASS]
    if few:
        sentences.append(f"{plural(len(few), 'class')} with one training image: {first_few(few)}")
    if fit.val is not None and len(fit.val) < SMALL_VAL:
        sentences.append(
            f"only {plural(len(fit.val), 'val image')}: alpha and temperature depend on them"
        )
    missing = sorted(set(fit.class_names) - set(fit.val.class_names)) if fit.val else []
    if missing:
        sentences.append(
            f"{plural(len(missing), 'class')} without a val image: {first_few(missing)}"
        )
    counts = fit.train.counts().values()
    if max(counts) > 10 * min(counts):
        sentences.append(
            f"classes differ in size: {min(counts)} to {max(counts)} images; look at the balanced "
            "accuracy, or set data.balance=sqrt or method.optim.class_weights=auto"
        )
    if not any(images.shift is None for images in data.evals.values()):
        sentences.append("no test set: only val is scored, and the choices are made on it")
    if len(data.evals) < 2:
        sentences.append("fewer than two evals: robustness is not measured")
    if data.quarantined:
        sentences.append(
            f"{plural(len(data.quarantined), 'image')} cannot be read and would be left out"
        )
    optim = getattr(loaded.method, "optim", None)
    if optim and optim.batch_size > len(fit.train):
        sentences.append(
            f"a batch of {optim.batch_size} is larger than the {len(fit.train)} training images "
            "and is made smaller"
        )
    return sentences
