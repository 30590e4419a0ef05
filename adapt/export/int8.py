"""Weights and activations in eight bits, kept only where that costs little on held-out images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.arrays import BoolArray, FloatArray, IntArray
from adapt.common.progress import track
from adapt.common.words import plural
from adapt.data.decoding.preprocessing import PixelArray, Preprocessing
from adapt.data.sources.image_list import ImageList
from adapt.errors import ModelError, RecipeError
from adapt.export.answers import Runtime
from adapt.export.base import Format
from adapt.export.record import Record

MOST_POINTS = 1.0
"""By how much accuracy on the held-out images may fall."""
CALIBRATED_ON = 256
"""Images that the ranges of activations are taken from, at most: evenly spaced in the list."""
BATCH = 32


def make_int8(folder: Path, record: Record, own: Format, val: ImageList) -> dict[str, Any]:
    """Replace the model of an export by one in eight bits, and measure what it lost.

    Args:
        folder: Holds the export in float32.
        record: What the model is.
        own: The format.
        val: Labelled images that the model was not trained on.

    Returns:
        What `parity.json` holds of it: accuracies of both, their difference in points, how often
        both give one label, and the largest difference of a probability.

    Raises:
        RecipeError: When the format has no eight bits.
        DataError: When a label is none of the classes, or an image cannot be read.
        ModelError: When accuracy falls by more than `MOST_POINTS`.
    """
    if own.int8 is None:
        raise RecipeError(f"--int8 - format {record.to} has no eight bits - use --to onnx")
    targets, (preprocessing, _) = val.targets(record.class_names), record.parts()
    plain = own.read(folder, record)
    places = np.linspace(0, len(val) - 1, min(len(val), CALIBRATED_ON)).round().astype(int)
    own.int8(folder, [_read(val, int(place), preprocessing) for place in places])
    facts = compared(plain, own.read(folder, record), val, targets, preprocessing)
    facts["calibrated_on"] = len(places)
    if facts["points_lost"] > MOST_POINTS:
        before, after = (100 * facts[f"accuracy_{name}"] for name in ("float32", "int8"))
        raise ModelError(
            f"--int8 - loses accuracy - {after:.1f} % in eight bits, {before:.1f} % in float32 on "
            f"{plural(len(val), 'image')}, of which each counts {100 / len(val):.2g} points; at "
            f"most {MOST_POINTS:g} may be lost - ship float32, or give more images of the kind "
            "that the model will see"
        )
    return facts


def compared(
    plain: Runtime, small: Runtime, val: ImageList, targets: IntArray, own: Preprocessing
) -> dict[str, Any]:
    """What two runtimes say of the same images, read once.

    Args:
        plain: In float32.
        small: In eight bits.
        val: N images.
        targets: Their classes (N,).
        own: How images become what is read.
    """
    right: list[BoolArray] = []
    same: list[BoolArray] = []
    largest = 0.0
    for first, images in _batches(val, own):
        truth = targets[first : first + len(images)]
        pair: list[FloatArray] = [run(images).probabilities for run in (plain, small)]
        labels = [given.argmax(1) for given in pair]
        right.append(np.stack([given == truth for given in labels]))
        same.append(labels[0] == labels[1])
        largest = max(largest, float(np.abs(pair[0] - pair[1]).max()))
    before, after = np.concatenate(right, axis=1).mean(1)
    return {
        "images": len(val),
        "accuracy_float32": float(before),
        "accuracy_int8": float(after),
        "points_lost": 100 * float(before - after),
        "same_label": float(np.concatenate(same).mean()),
        "largest_difference": largest,
    }


def _batches(val: ImageList, own: Preprocessing) -> Iterator[tuple[int, PixelArray]]:
    for first in track(range(0, len(val), BATCH), "comparing float32 and eight bits"):
        places: Sequence[int] = range(first, min(first + BATCH, len(val)))
        yield first, np.stack([_read(val, place, own) for place in places])


def _read(val: ImageList, place: int, own: Preprocessing) -> PixelArray:
    return own.pixels(val.open(place))
