"""How long two models take and how much room they need, measured side by side."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from adapt.common.progress import track
from adapt.comparison.measures import SIDES
from adapt.data.decoding.open import ImageError
from adapt.data.sources.image_list import ImageList
from adapt.export.load import Loaded

SAMPLE = 8
"""Images that are predicted, one by one and as one batch."""
ROUNDS, FEWEST, SECONDS = 20, 5, 6.0
"""Most rounds, and those that are measured however long they take."""


def latency_of(a: Loaded, b: Loaded, images: ImageList) -> dict[str, Any]:
    """Time per image of two models, from a decoded image to its prediction, in milliseconds.

    The models take turns, and change who begins: what slows the machine down meanwhile, slows
    both down.

    Args:
        a: The first model.
        b: The second model.
        images: Some that can be read.

    Returns:
        For `single` images and for a `batch`: how many images at once, how many `rounds`, for each
        model the `median`, `low` and `high` of the rounds, and `change`, the median over the
        rounds of B's time as a fraction of A's, minus 1.
    """
    sample = _sample(images)
    return {
        "single": _measured(a, b, [[image] for image in sample]),
        "batch": _measured(a, b, [sample]),
        "device": {side: _device(model) for side, model in zip(SIDES, (a, b), strict=True)},
        "threads": torch.get_num_threads(),
    }


def _sample(images: ImageList) -> list[Image.Image]:
    sample: list[Image.Image] = []
    for row in range(len(images)):
        try:
            sample.append(images.open(row))
        except ImageError:
            continue
        if len(sample) == SAMPLE:
            break
    return sample


def _device(model: Loaded) -> str:
    return str(getattr(model, "device", "cpu"))


def _measured(a: Loaded, b: Loaded, batches: Sequence[list[Image.Image]]) -> dict[str, Any]:
    models, times = {"a": a, "b": b}, dict[str, list[float]](a=[], b=[])
    for model in models.values():
        model.predict(batches[0], len(batches[0]))  # to be warm
    began = time.perf_counter()
    for turn in track(range(ROUNDS), "measuring latency", ROUNDS):
        if turn >= FEWEST and time.perf_counter() - began > SECONDS:
            break
        batch = batches[turn % len(batches)]
        for side in SIDES if turn % 2 == 0 else reversed(SIDES):
            start = time.perf_counter()
            models[side].predict(batch, len(batch))
            times[side].append(1000 * (time.perf_counter() - start) / len(batch))
    ratios = np.array(times["b"]) / np.array(times["a"])
    spread = {
        side: {"median": float(np.median(own)), "low": min(own), "high": max(own)}
        for side, own in times.items()
    }
    change = float(np.median(ratios)) - 1
    return {"images": len(batches[0]), "rounds": len(times["a"]), **spread, "change": change}


def bytes_of(folder: Path) -> int:
    """The size on disk of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
