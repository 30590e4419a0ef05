"""How many more images to label, and of which class: the figures of the learning curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adapt.common.arrays import IntArray, SingleArray
from adapt.explore.suggest.learning_curve import (
    FEWEST,
    LEVEL,
    curves_of_classes,
    fitted,
    held_out_answers,
)

FARTHEST = 3.0
"""Times the labels of now beyond which no figure is given."""
STEPS = (1, 2, 4)


def how_many(
    features: SingleArray,
    targets: IntArray,
    zero_shot: SingleArray,
    class_names: Sequence[str],
    budget: int,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Accuracy now, and with so many more labels, each with an interval; the same for each class.

    Args:
        features: (N, D) of the labelled images, unit length.
        targets: (N,) their class numbers.
        zero_shot: (K, D) the head without any label; equal rows where there is none.
        class_names: Of the K classes.
        budget: Images of a round.
        seed: Of the sub-samples.

    Returns:
        `labelled`, `level`, `now`, `more` (`images`, `accuracy`, `gain`), `farthest`, and `classes`
        (`name`, `labelled`, `now`, `gain`, the largest gain first) with `classes_images`, the
        number of images that their gains are for. None with fewer than `FEWEST` labels or with
        labels of one class.
    """
    count = len(targets)
    counts = np.bincount(targets, minlength=len(class_names))
    if count < FEWEST or int((counts > 0).sum()) < 2:
        return None
    answers = held_out_answers(features, targets, zero_shot, seed)
    whole = fitted(answers)
    farthest = int((FARTHEST - 1) * count)
    steps = sorted({min(step * budget, farthest) for step in STEPS})
    classes = curves_of_classes(answers, targets, len(class_names))
    times = 1 + steps[0] / count
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "labelled": int(own),
            "now": curve.accuracy() if own else None,
            "gain": curve.gain(times) if own else None,
        }
        for name, own, curve in zip(class_names, counts, classes, strict=True)
    ]
    rows.sort(key=lambda row: -row["gain"]["value"] if row["gain"] else -np.inf)
    return {
        "labelled": count,
        "level": LEVEL,
        "now": whole.accuracy(),
        "more": [
            {
                "images": step,
                "accuracy": whole.accuracy(1 + step / count),
                "gain": whole.gain(1 + step / count),
            }
            for step in steps
        ],
        "farthest": farthest,
        "classes": rows,
        "classes_images": steps[0],
    }
