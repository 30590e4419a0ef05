"""All scores of one set of images with several labels."""

from typing import Any

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import FloatArray
from adapt.evaluation.metrics.intervals import mean_interval
from adapt.evaluation.several_labels.calibration import LabelCalibration
from adapt.evaluation.several_labels.decisions import f1_scores
from adapt.evaluation.several_labels.ranking import (
    centred_interval,
    mean_average_precision,
)

NO_LABEL = "no image has a label"


def ranking_scores(logits: npt.ArrayLike, targets: npt.ArrayLike) -> dict[str, Any]:
    """What needs no threshold, without intervals: `n`, `mAP`; for the points of a curve."""
    marks = np.asarray(targets)
    value = mean_average_precision(logits, marks) if marks.any() else None
    return {"n": len(marks), "mAP": value}


def label_scores(
    logits: npt.ArrayLike,
    targets: npt.ArrayLike,
    calibration: LabelCalibration,
    chosen: npt.ArrayLike,
    maps: FloatArray,
) -> dict[str, Any]:
    """Scores with 95 % intervals.

    Args:
        logits: Shape (N, K).
        targets: Shape (N, K).
        calibration: From logits to probabilities.
        chosen: Shape (N, K), the labels that are given.
        maps: The `resampled_maps` of the logits; empty where no image has a label.

    Returns:
        `n`, `labels` (how many there are), `mAP`, `f1_micro`, `f1_macro`, `nll` (nats per decision)
        and `brier` (mean squared error of the probabilities), each with its `_ci`; and `undefined`,
        why a score is None.
    """
    marks = np.asarray(targets)
    losses = calibration.losses(logits, marks)
    squares = ((calibration.probabilities(logits) - marks) ** 2).mean(axis=1)
    scores: dict[str, Any] = {"n": len(marks), "labels": int(marks.sum())}
    undefined = {}
    if marks.any():
        value = mean_average_precision(logits, marks)
        scores |= {
            "mAP": value,
            "mAP_ci": [min(max(end, 0.0), 1.0) for end in centred_interval(value, maps)],
            **f1_scores(chosen, marks),
        }
    else:
        names = ("mAP", "f1_micro", "f1_macro")
        scores |= {key: None for name in names for key in (name, f"{name}_ci")}
        undefined = dict.fromkeys(names, NO_LABEL)
    for name, values in (("nll", losses), ("brier", squares)):
        scores |= {name: float(values.mean()), f"{name}_ci": mean_interval(values)}
    return scores | {"undefined": undefined}
