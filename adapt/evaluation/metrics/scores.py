"""All metrics of one set, with intervals.

Everywhere below `evaluation`, `probabilities` has shape (N, K), one row per image that sums to 1,
and `targets` has shape (N,), the true class index of each image. The predicted class is the most
probable one, the first of several on a tie. Ratios are taken in float64.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from adapt.evaluation.metrics.base import METRICS
from adapt.evaluation.metrics.bootstrap import percentile_interval, resampling_counts
from adapt.evaluation.metrics.validation import check_probabilities


def score(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """All metrics with 95 % percentile-bootstrap intervals over images.

    All metrics share the same resampled images. The interval of the calibration error leans
    upwards, because resampling adds noise to every bin and the error takes absolute values.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        samples: Number of bootstrap samples, at least 1.
        seed: Same seed, same intervals.

    Returns:
        `n`, and for each registered metric (`accuracy`, `balanced_accuracy`, `nll` in nats, `ece`,
        `brier`) the value and `<metric>_ci` as `[low, high]`; all `None` on zero images.

    Raises:
        DataError: When the arrays are malformed.

    >>> score([[0.9, 0.1], [0.2, 0.8]], [0, 1])["accuracy_ci"]
    [1.0, 1.0]
    """
    checked, indices = check_probabilities(probabilities, targets)
    images, metrics = len(checked), METRICS.table()
    scores: dict[str, Any] = {"n": images}
    if not images:
        return scores | {key: None for name in metrics for key in (name, f"{name}_ci")}
    parts = [sparse.csr_array(metric.statistics(checked, indices)) for metric in metrics.values()]
    statistics = sparse.hstack(parts, format="csr")  # one product gives the sums of all metrics
    blocks = [counts @ statistics for counts in resampling_counts(images, samples, seed)]
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]
    sums = np.split(np.concatenate(blocks), ends, axis=1)
    for own, (name, metric) in zip(sums, metrics.items(), strict=True):
        scores[name] = metric.value(checked, indices)
        scores[f"{name}_ci"] = percentile_interval(metric.of_sums(own, images))
    return scores
