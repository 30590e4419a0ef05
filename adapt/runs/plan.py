"""What a recipe would do, without doing it."""

from typing import Any

from adapt.common.words import first_few, plural
from adapt.methods import Method
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import Loaded
from adapt.recipe.schema import Recipe
from adapt.runs.fit import check_weight_names
from adapt.runs.memory import Memory, Where, inference_memory, training_memory
from adapt.runs.start import classes_of, zero_shot_of
from adapt.training.features.batch_norm import check_batch_norms
from adapt.training.loop import micro_batch
from adapt.training.parameters import freeze_first, text_trains
from adapt.training.runtime import check_compile, resolve_accelerator, resolve_precision
from adapt.training.settings import for_devices, with_epochs
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
    tuned = prepared(loaded.method, start)
    trainable = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    total = sum(p.numel() for p in start.parameters())
    device = resolve_accelerator(recipe.runtime.accelerator)
    check_compile(recipe.runtime.compile, device)
    optim = getattr(loaded.method, "optim", None)
    if optim and (per_shot := getattr(loaded.method, "steps_per_shot", 0)):
        optim = with_epochs(optim, len(data.fit.train), len(data.fit.class_names), per_shot)
    optim = for_devices(optim, recipe.runtime.devices) if optim else None
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
        "risks": [*data.notes, *risks(data, loaded)],
    }


def prepared(method: Method, start: Classifier) -> Classifier:
    """A copy of the start in which exactly what the method would train requires gradients."""
    tuned, optim = method.prepare(start), getattr(method, "optim", None)
    if optim is not None:
        freeze_first(tuned, optim.freeze_first)
    return tuned


def texts_per_step(method: Method, tuned: Classifier, batch: int) -> int:
    """Prompts that a step encodes: one per image with captions, else one per class it looks at."""
    if not (text_trains(tuned) and tuned.head_from_text):
        return 0
    if hasattr(method, "captions"):
        return batch
    classes = len(tuned.class_names)
    return min(getattr(method, "classes_per_step", 0) or classes, classes)


def memory_of(recipe: Recipe, method: Method, start: Classifier, tuned: Classifier) -> Memory:
    """What the run would take on one device: on a GPU that of the device alone."""
    runtime = recipe.runtime
    device = resolve_accelerator(runtime.accelerator)
    if (optim := getattr(method, "optim", None)) is None:
        return inference_memory(start, runtime.batch_size, device)
    batch = micro_batch(for_devices(optim, runtime.devices), runtime)
    where = Where(device, resolve_precision(runtime.precision, device), runtime.devices)
    texts = texts_per_step(method, tuned, batch)
    return training_memory(start, tuned, optim, batch, texts, where)


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
