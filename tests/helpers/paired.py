"""Two made-up models that answer the same drawings, and the content of their comparison."""

from typing import Any

import numpy as np

from adapt.common.files import plain
from adapt.comparison.answers import PairedSet, Said
from adapt.comparison.measures import matched, set_measures, shift_mean
from adapt.data.sources.image_list import ImageList
from tests.helpers.tiny import CLASSES


def said(images: ImageList, seed: int, strength: float, names: list[str] | None = None) -> Said:
    """Answers that are right more often the stronger a model is; with thresholds and sets."""
    names = names or CLASSES
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(images), len(names)))
    for row, label in enumerate(images.labels):
        if label in names:
            logits[row, names.index(label)] += strength
    powers = np.exp(logits)
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    return Said(names, probabilities, probabilities.max(axis=1) < 0.5, probabilities > 0.2)


def paired(images: ImageList, name: str = "test", seed: int = 0) -> PairedSet:
    """A weak and a stronger model."""
    return PairedSet(name, images, said(images, seed, 0.6), said(images, seed + 1, 1.4))


def many(images: ImageList, times: int = 12, **more: Any) -> ImageList:
    """The drawings again and again."""
    return ImageList(
        images.paths * times, images.labels * times, None, None, images.root, {}, **more
    )


def compared(images: ImageList, *shifts: str, **more: Any) -> dict[str, Any]:
    """The content of a comparison of the two on a test set and on shifts.

    Args:
        images: The drawings.
        shifts: Names of more sets.
        more: Content to put in its place.
    """
    names = ["test", *shifts]
    sets = {
        name: set_measures(matched(paired(images, name, 2 * place), CLASSES))
        for place, name in enumerate(names)
    }
    side = {"path": "runs/x", "about": "tiny (random)", "classes": 3, "bytes": 2_000_000}
    times = {"images": 1, "rounds": 9, "change": 0.25, "a": TIME, "b": TIME}
    return plain(
        {
            "format": 1,
            "adapt": "0",
            "a": {**side, "name": "old"},
            "b": {**side, "name": "new", "bytes": 1_000_000},
            "classes": CLASSES,
            "only_in_a": [],
            "only_in_b": [],
            "main": "test",
            "sets": sets,
            "shift_mean": shift_mean([sets[name]["accuracy"] for name in shifts]),
            "latency": {
                "single": times,
                "batch": times | {"images": 8},
                "device": {"a": "cpu", "b": "cpu"},
                "threads": 1,
            },
            "no_latency": "",
            "notes": [],
            "leaks": [],
            "data": "photos",
            "limits": [],
        }
        | more
    )


TIME = {"median": 4.0, "low": 3.5, "high": 9.25}
