"""What a recipe would do, without doing it."""

from typing import Any

from adapt.common.words import first_few, plural
from adapt.methods import Method
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import Loaded
from adapt.runs.fit import check_weight_names
from adapt.training.features.batch_norm import check_batch_norms
from adapt.training.loop import micro_batch
from adapt.training.parameters import freeze_first
from adapt.training.runtime import resolve_accelerator, resolve_precision
from adapt.training.settings import with_epochs
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
    names = [data.fit.train.classes[key] for key in data.fit.class_names]
    start = Classifier.from_clip(
        recipe.model.arch, recipe.model.pretrained, names, recipe.model.templates, recipe.seed
    )
    if recipe.ensemble.batch_norm == "reestimate":
        check_batch_norms(start)
    trainable = trainable_parameters(loaded.method, start)
    total = sum(p.numel() for p in start.parameters())
    device = resolve_accelerator(recipe.runtime.accelerator)
    optim = getattr(loaded.method, "optim", None)
    if optim and (per_shot := getattr(loaded.method, "steps_per_shot", 0)):
        optim = with_epochs(optim, len(data.fit.train), len(data.fit.class_names), per_shot)
    batch = micro_batch(optim, recipe.runtime) if optim else recipe.runtime.batch_size
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
        "memory_gib": memory_gib(start, trainable, batch, bool(optim)),
        "risks": [*data.notes, *risks(data, loaded)],
    }


def trainable_parameters(method: Method, start: Classifier) -> int:
    """The number of parameters that a method would train."""
    tuned, optim = method.prepare(start), getattr(method, "optim", None)
    if optim is not None:
        freeze_first(tuned, optim.freeze_first)
    return sum(p.numel() for p in tuned.parameters() if p.requires_grad)


def memory_gib(start: Classifier, trainable: int, batch: int, trains: bool) -> float:
    """A rough peak: weights of start and copy, gradients, AdamW's two moments, and activations.

    Activations count as 34 numbers per token and channel of each block (arXiv:2205.05198); tokens
    and width come from the config.
    """
    weights = sum(p.numel() for p in start.parameters())
    vision = start.backbone.spec.config["vision_cfg"]
    layers = vision.get("layers", 12)
    blocks = layers if isinstance(layers, int) else sum(layers)
    size, patch = start.backbone.preprocessing.size, vision.get("patch_size") or 32
    activations = (
        batch * (size // patch) ** 2 * vision.get("width", 768) * blocks * (34 if trains else 4)
    )
    return round(float(2 * weights + 3 * trainable + activations) * 4 / 2**30, 2)


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
