"""What new images are compared by: one function for each part of `monitor.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapt.common.arrays import SingleArray
from adapt.evaluation.metrics.intervals import proportion_interval
from adapt.evaluation.uncertainty.selective import answering_threshold
from adapt.evaluation.uncertainty.unknown import KEPT
from adapt.evaluation.unlabelled.estimates import (
    DEFAULT,
    TITLES,
    Answers,
    accuracies_along,
    accuracy_estimates,
    estimate_interval,
)
from adapt.evaluation.unlabelled.label_shift import (
    MixIntervals,
    black_box_intervals,
    most_likely_intervals,
)
from adapt.evaluation.unlabelled.reference import sampled
from adapt.evaluation.unlabelled.two_sample import FEWEST, kernel_test
from adapt.explore.monitor.seen import Seen
from adapt.models.bundle.reference import Reference
from adapt.models.prediction.uncertainty import Uncertainty

Content = dict[str, Any]
MOST_TESTED = 1000
"""Images of each side that the two-sample test sees."""


def drift(reference: Reference, seen: Seen, level: float) -> Content:
    """Whether the images are of another distribution: a kernel test on features.

    Args:
        reference: Held-out images.
        seen: New images.
        level: False-alarm rate.
    """
    known = reference.features[sampled(len(reference.features), MOST_TESTED)]
    new = seen.features[sampled(len(seen.features), MOST_TESTED)]
    counts = {"level": level, "reference": len(known), "new": len(new)}
    if reason := _untestable(reference, known, new):
        return counts | {"p": None, "mmd": None, "drifted": None, "reason": reason}
    rounded: SingleArray = new.astype(np.float16).astype(np.float32)  # as the others were
    result = kernel_test(known, rounded)
    judged = {"p": result.p, "mmd": result.statistic, "drifted": result.p <= level}
    return counts | judged | {"reason": None}


def _untestable(reference: Reference, known: SingleArray, new: SingleArray) -> str | None:
    if reference.no_features:
        return reference.no_features
    if min(len(known), len(new)) < FEWEST:
        return f"fewer than {FEWEST} images on one side"
    if known.shape[1] != new.shape[1]:
        return f"features of {known.shape[1]} numbers, the model gives {new.shape[1]}"
    return None


def class_mix(reference: Reference, seen: Seen, class_names: Sequence[str]) -> Content:
    """How often each class occurs: as predicted, by MLLS and by BBSE, with intervals.

    Args:
        reference: Held-out images.
        seen: New images.
        class_names: The K classes.
    """
    count = len(class_names)
    likely = most_likely_intervals(
        seen.probabilities, reference.prior, len(reference.targets), seed=0
    )
    told = black_box_intervals(reference.targets, reference.predicted, seen.predicted, count)
    before = np.bincount(reference.targets, minlength=count) / len(reference.targets)
    said = np.bincount(seen.predicted, minlength=count) / len(seen.predicted)
    rows: list[Content] = [
        {
            "name": name,
            "reference": float(before[place]),
            "predicted": float(said[place]),
            "mlls": _with_ends(likely, place),
            "bbse": _with_ends(told, place),
        }
        for place, name in enumerate(class_names)
    ]
    moved = float(np.abs(likely.mix - before).sum() / 2)
    changed = [row["name"] for row in rows if not _within(row["mlls"], row["reference"])]
    return {"classes": rows, "moved": moved, "changed": changed}


def _with_ends(own: MixIntervals, place: int) -> Content:
    ends = [float(own.low[place]), float(own.high[place])]
    return {"share": float(own.mix[place]), "ci": ends}


def _within(estimate: Mapping[str, Any], share: float) -> bool:
    low, high = estimate["ci"]
    return bool(low <= share <= high)


def unknowns(seen: Seen, stored: Uncertainty | None, most: float | None) -> Content:
    """The share of images that the detector of the model calls unknown.

    Args:
        seen: New images.
        stored: Thresholds of the model.
        most: The limit, if there is one.
    """
    detector = None if stored is None else stored.unknown_detector
    content: Content = {"detector": detector, "limit": most, "expected": 1 - KEPT}
    if detector is None:
        reason = "the model stores no detector: its run had no images of unknown classes"
        return content | {"share": None, "ci": None, "reason": reason}
    count = int(seen.unknown.sum())
    ends = proportion_interval(count, len(seen.unknown))
    return content | {"share": count / len(seen.unknown), "ci": ends, "reason": None}


def unsure(reference: Reference, seen: Seen) -> Content:
    """The share of images less confident than 95 % of the held-out ones.

    Args:
        reference: Held-out images.
        seen: New images.
    """
    threshold = answering_threshold(reference.confidences, KEPT)
    below = int((seen.confidences.astype(np.float32) < threshold).sum())
    return {
        "below": threshold,
        "share": below / len(seen.names),
        "ci": proportion_interval(below, len(seen.names)),
        "expected": float((reference.confidences < threshold).mean()),
    }


def accuracy(
    reference: Reference, seen: Seen, line: Answers, limit: float | None, no_line: str
) -> Content:
    """How accurate the model is, by every estimator, and the one to go by with its interval.

    Args:
        reference: Held-out images.
        seen: New images.
        line: What models on the line say of the sample; empty without a line.
        limit: The least accuracy that is good enough, if there is one.
        no_line: Why there is no line; empty where there is one.
    """
    found = accuracy_estimates(reference, seen.probabilities, line)
    estimate, counts = found[DEFAULT], (len(reference.targets), len(seen.names))
    hits = int((reference.targets == reference.predicted).sum())
    return {
        "estimate": estimate,
        "ci": estimate_interval(estimate, reference.accuracy, *counts),
        "estimator": DEFAULT,
        "limit": limit,
        "reference": reference.accuracy,
        "reference_ci": proportion_interval(hits, counts[0]),
        "estimators": {
            name: {"title": title, "accuracy": found.get(name)} for name, title in TITLES.items()
        },
        "reason": no_line or None,
    }


def along(reference: Reference, line: Answers) -> Content:
    """The estimated accuracy along the line, and where it is highest.

    Args:
        reference: Held-out images.
        line: What models on the line say of the sample; empty without a line.
    """
    estimated = accuracies_along(reference, line)
    points = []
    for row, alpha in enumerate(reference.alphas):
        right = float((reference.line_answers[row] == reference.targets).mean())
        if alpha in estimated:
            points.append({"alpha": alpha, "reference": right, "estimate": estimated[alpha]})
    # Among equal ones the smallest, as everywhere.
    best = max(estimated, key=lambda alpha: (round(estimated[alpha], 3), -alpha), default=None)
    return {"shipped": reference.alpha, "best": best, "points": points}
