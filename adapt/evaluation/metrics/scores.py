"""All metrics of one set, with intervals.

Everywhere below `evaluation`, `logits` and `probabilities` have shape (N, K), one row per image,
and `targets` has shape (N,), the true class index of each image. The predicted class is the most
probable one, the first of several on a tie. Numbers are taken in float64.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from adapt.evaluation.metrics.base import METRICS, log_probabilities
from adapt.evaluation.metrics.intervals import WILSON

NO_IMAGES = "there are no images"


def score(logits: npt.ArrayLike, targets: npt.ArrayLike, interval: str = WILSON) -> dict[str, Any]:
    """All metrics with their 95 % intervals.

    Args:
        logits: Shape (N, K).
        targets: Shape (N,), class indices.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        `n`, and for each registered metric (`accuracy`, `balanced_accuracy`, `nll` in nats, `ece`,
        `brier`) the value and `<metric>_ci` as `[low, high]`. A metric that says nothing on this
        set is None, as all are on zero images, and `undefined` gives the reason by metric. An
        interval is None where no interval covers the truth as often as it says; the calibration
        error never has one, see `calibration_by_chance`.

    Raises:
        DataError: When the arrays are malformed.

    >>> [round(end, 3) for end in score([[3.0, 0.0], [0.0, 3.0]], [0, 1])["accuracy_ci"]]
    [0.342, 1.0]
    >>> score([[3.0], [2.0]], [0, 0])["undefined"]["accuracy"]
    'there is only one class to choose from, so every answer is right'
    """
    metrics = METRICS.table()
    if not len(np.asarray(targets)) and np.shape(logits)[:1] == (0,):
        empty = {key: None for name in metrics for key in (name, f"{name}_ci")}
        return {"n": 0} | empty | {"undefined": dict.fromkeys(metrics, NO_IMAGES)}
    logs, indices = log_probabilities(logits, targets)
    scores: dict[str, Any] = {"n": len(logs)}
    undefined: dict[str, str] = {}
    for name, metric in metrics.items():
        reason = metric.undefined(logs, indices)
        if reason:
            undefined[name] = reason
        scores[name] = None if reason else metric.value(logs, indices)
        scores[f"{name}_ci"] = None if reason else metric.interval(logs, indices, interval)
    return scores | {"undefined": undefined}
