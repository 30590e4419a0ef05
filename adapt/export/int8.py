"""Weights and activations in eight bits, kept only where that costs little on held-out images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.progress import track
from adapt.common.words import plural
from adapt.data.decoding.preprocessing import PixelArray, Preprocessing
from adapt.data.sources.image_list import ImageList
from adapt.errors import ModelError, RecipeError
from adapt.evaluation.several_labels.ranking import mean_average_precision
from adapt.export.answers import Runtime
from adapt.export.base import Format
from adapt.export.record import Record

MOST_POINTS = 1.0
"""By how much accuracy on the held-out images may fall; mAP where images have several labels."""
ACCURACY, MAP = "accuracy", "mAP"
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
        What `parity.json` holds of it: accuracies of both (mAP where images have several labels),
        their difference in points, how often both give the same label or labels, and the largest
        difference of a probability.

    Raises:
        RecipeError: When the format has no eight bits, or the model gives several labels per image
            and the images have one each, or the other way round.
        DataError: When a label is none of the classes, or an image cannot be read.
        ModelError: When accuracy or mAP falls by more than `MOST_POINTS`.
    """
    if own.int8 is None:
        raise RecipeError(f"--int8 - format {record.to} has no eight bits - use --to onnx")
    several = record.labelling.several
    if val.several_labels != several:
        given = "several labels per image" if several else "one label per image"
        advice = "give images of that kind (a recipe says where several labels are)"
        raise RecipeError(f"--val - not of the model's kind - it gives {given} - {advice}")
    targets, (preprocessing, _) = val.targets(record.class_names), record.parts()
    plain = own.read(folder, record)
    places = np.linspace(0, len(val) - 1, min(len(val), CALIBRATED_ON)).round().astype(int)
    own.int8(folder, [_read(val, int(place), preprocessing) for place in places])
    limits = record.labelling.thresholds_of_classes
    facts = compared((plain, own.read(folder, record)), val, targets, preprocessing, limits)
    facts["calibrated_on"] = len(places)
    if facts["points_lost"] > MOST_POINTS:
        name = MAP if several else ACCURACY
        before, after = (100 * facts[f"{name}_{bits}"] for bits in ("float32", "int8"))
        weight = "" if several else f", of which each counts {100 / len(val):.2g} points"
        raise ModelError(
            f"--int8 - loses {name} - {after:.1f} % in eight bits, {before:.1f} % in float32 on "
            f"{plural(len(val), 'image')}{weight}; at most {MOST_POINTS:g} may be lost - ship "
            "float32, or give more images of the kind that the model will see"
        )
    return facts


def compared(
    runtimes: tuple[Runtime, Runtime],
    val: ImageList,
    targets: np.ndarray,
    own: Preprocessing,
    thresholds: Sequence[float] | None = None,
) -> dict[str, Any]:
    """What two runtimes say of the same images, read once.

    Args:
        runtimes: In float32 and in eight bits.
        val: N images.
        targets: Their classes (N,); of several labels 0 or 1 for each class, (N, K).
        own: How images become what is read.
        thresholds: Of the K classes, where images have several labels.
    """
    parts = [[run(images).probabilities for run in runtimes] for images in _batches(val, own)]
    odds = [np.concatenate(own) for own in zip(*parts, strict=True)]
    if thresholds is None:
        name, labels = ACCURACY, [given.argmax(axis=1) for given in odds]
        before, after = (float((given == targets).mean()) for given in labels)
        same = labels[0] == labels[1]
    else:
        name, chosen = MAP, [given >= np.asarray(thresholds) for given in odds]
        before, after = (mean_average_precision(given, targets) for given in odds)
        same = (chosen[0] == chosen[1]).all(axis=1)
    return {
        "images": len(val),
        f"{name}_float32": before,
        f"{name}_int8": after,
        "points_lost": 100 * (before - after),
        "same_label": float(same.mean()),
        "largest_difference": float(np.abs(odds[0] - odds[1]).max()),
    }


def _batches(val: ImageList, own: Preprocessing) -> Iterator[PixelArray]:
    for first in track(range(0, len(val), BATCH), "comparing float32 and eight bits"):
        places: Sequence[int] = range(first, min(first + BATCH, len(val)))
        yield np.stack([_read(val, place, own) for place in places])


def _read(val: ImageList, place: int, own: Preprocessing) -> PixelArray:
    return own.pixels(val.open(place))
