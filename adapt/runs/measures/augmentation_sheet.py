"""A sheet of training images as evaluation and as the first epochs see them."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from adapt.common.files import write_json
from adapt.common.seeds import sample_seed
from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.augmentation.policies import POLICIES, Step
from adapt.data.augmentation.steps import step_defaults
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.image_data import ImageData
from adapt.methods.base import Method
from adapt.training.context import Context

ROWS, EPOCHS = 6, 5
LARGEST_TILE = 96


def write_views(
    folder: Path, method: Method, data: ImageData, preprocessing: Preprocessing, context: Context
) -> list[str]:
    """Write a few training images as evaluation and as the first epochs see them.

    The files are `augmentation.png`, tiles side by side without gaps and one row per image, and
    `augmentation.json`. Nothing is written when the method does not train on augmented views, or
    when these are the views of evaluation.

    Args:
        folder: Of the run.
        method: The names of its settings show what it trains on.
        data: Training images.
        preprocessing: Of the model.
        context: Policy, seed and balance.

    Returns:
        Notes, one sentence each.
    """
    augmented = hasattr(method, "optim") or getattr(method, "views", 1) > 1
    if context.augmentation == "none" or not augmented:
        return []
    augment, train = Augmentation(context.augmentation, preprocessing), data.train
    count = min(ROWS, len(train))
    # Training images are sorted by class, so that even steps reach many classes.
    chosen = [(2 * row + 1) * len(train) // (2 * count) for row in range(count)]
    rows = []
    for index in chosen:
        image = train.open(index)
        seeds = [sample_seed(context.seed, epoch, index) for epoch in range(EPOCHS)]
        views = [preprocessing(image), *(augment(image, seed) for seed in seeds)]
        rows.append(np.concatenate([_tile(view, preprocessing) for view in views], axis=1))
    Image.fromarray(np.concatenate(rows)).save(folder / "augmentation.png")
    named = isinstance(context.augmentation, str)
    optim = getattr(method, "optim", None)
    card = {
        "policy": context.augmentation if named else "own list",
        "reason": POLICIES[str(context.augmentation)].reason if named else "",
        "steps": [_changed(step) for step in augment.steps],
        "note": augment.note,
        "balance": context.balance,
        "mixup": getattr(optim, "mixup", 0),
        "cutmix": getattr(optim, "cutmix", 0),
        "labels": [train.labels[index] for index in chosen],
        "tile": rows[0].shape[0],
    }
    write_json(folder / "augmentation.json", card)
    return [augment.note] if augment.note else []


def _changed(step: Step) -> Step:
    """Name, probability, and the arguments that differ from their defaults."""
    defaults = step_defaults(step["name"])
    return {
        key: value for key, value in step.items() if key in ("name", "p") or value != defaults[key]
    }


def _tile(view: Tensor, preprocessing: Preprocessing) -> np.ndarray:
    """A normalised view (3, S, S) as pixels (T, T, 3), not larger than a tile."""
    pixels = view.numpy().transpose(1, 2, 0) * preprocessing.std + preprocessing.mean
    image = Image.fromarray(np.rint(255 * pixels).clip(0, 255).astype(np.uint8))
    if image.width > LARGEST_TILE:
        image = image.resize((LARGEST_TILE, LARGEST_TILE), Image.Resampling.LANCZOS)
    return np.asarray(image)
