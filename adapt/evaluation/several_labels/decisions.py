"""F1 of decisions for each class: over all decisions (micro), and the mean over classes (macro)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import BoolArray, FloatArray
from adapt.evaluation.metrics.bootstrap import percentile_interval, resampling_counts
from adapt.evaluation.several_labels.ranking import check_label_scores


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: FloatArray = np.where(below > 0, above / below, 0.0)
    return ratio


def class_table(chosen: npt.ArrayLike, targets: npt.ArrayLike) -> dict[str, FloatArray]:
    """Precision, recall and F1 of each class, (K,); 0 where a denominator is 0.

    Args:
        chosen: Shape (N, K), 1 where a label is given.
        targets: Shape (N, K).

    Raises:
        DataError: When the arrays are malformed.

    >>> class_table([[1], [1]], [[1], [0]])["recall"].tolist()
    [1.0]
    """
    given, marks = check_label_scores(np.asarray(chosen, np.float64), targets)
    hits = (given * marks).sum(axis=0)
    return {
        "n": marks.sum(axis=0).astype(np.float64),
        "precision": _ratio(hits, given.sum(axis=0)),
        "recall": _ratio(hits, marks.sum(axis=0).astype(np.float64)),
        "f1": _ratio(2 * hits, given.sum(axis=0) + marks.sum(axis=0)),
    }


def resampled_f1(
    chosen: npt.ArrayLike, targets: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """F1 micro and macro on bootstrap samples of the images, the same samples for every model.

    Args:
        chosen: Shape (N, K), 1 where a label is given.
        targets: Shape (N, K).
        samples: Number of bootstrap samples S.
        seed: Same seed, same samples.

    Returns:
        Micro (S,) and macro (S,).

    Raises:
        DataError: When the arrays are malformed.
    """
    given, marks = check_label_scores(np.asarray(chosen, np.float64), targets)
    counts = resampling_counts(len(given), samples, seed)
    micros, macros = zip(*(_weighted_f1(given, marks, own) for own in counts), strict=True)
    return np.concatenate(micros), np.concatenate(macros)


def _weighted_f1(
    given: FloatArray, marks: BoolArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """F1 micro and macro (S,) of images that count `weights` (S, N) times."""
    hits, sizes = (weights @ part for part in (given * marks, given + marks))
    there = (weights @ marks.astype(np.float64) > 0) & marks.any(axis=0)
    each = _ratio(2 * hits, sizes)
    macro = _ratio((each * there).sum(axis=1), there.sum(axis=1).astype(np.float64))
    return _ratio(2 * hits.sum(axis=1), sizes.sum(axis=1)), macro


def f1_scores(
    chosen: npt.ArrayLike, targets: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """F1 micro and macro with 95 % intervals over resampled images.

    Macro is the mean over the classes that some image has; micro counts all decisions.

    Args:
        chosen: Shape (N, K), 1 where a label is given.
        targets: Shape (N, K).
        samples: Number of bootstrap samples.
        seed: Same seed, same samples.

    Returns:
        `f1_micro`, `f1_micro_ci`, `f1_macro`, `f1_macro_ci`.

    Raises:
        DataError: When the arrays are malformed.

    >>> f1_scores([[1, 0], [1, 1]], [[1, 0], [0, 1]])["f1_micro"]
    0.8
    """
    given, marks = check_label_scores(np.asarray(chosen, np.float64), targets)
    micro, macro = _weighted_f1(given, marks, np.ones((1, len(given))))
    micros, macros = resampled_f1(given, marks, samples, seed)
    return {
        "f1_micro": float(micro[0]),
        "f1_micro_ci": percentile_interval(micros),
        "f1_macro": float(macro[0]),
        "f1_macro_ci": percentile_interval(macros),
    }
