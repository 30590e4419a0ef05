"""Out-of-distribution detection: telling images of unknown classes from those of known ones.

Every score below is high for what is known. Known images are the positives: AUROC is the
probability that a known image scores above an unknown one, and FPR95 the fraction of unknown images
that pass at the threshold that 95 % of the known ones reach.
"""

from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from adapt.common.arrays import FloatArray
from adapt.errors import DataError
from adapt.evaluation.uncertainty.selective import answering_threshold

NEIGHBOURS = 10
KEPT = 0.95
ALL_EQUAL = "every image has the same score"

# Numbers held at once while distances are computed: 128 MB.
_BLOCK = 2**24


class Detection(TypedDict):
    """What `detection` returns."""

    auroc: float | None
    fpr95: float | None
    reason: str | None


def knn_scores(
    features: npt.ArrayLike, train_features: npt.ArrayLike, neighbours: int = NEIGHBOURS
) -> FloatArray:
    """Minus the distance to the k-th nearest training image, on the unit sphere.

    Args:
        features: Shape (N, D), image features of any length above 0.
        train_features: Shape (M, D), M at least 1.
        neighbours: k; M when there are fewer training images.

    Returns:
        Shape (N,), from -2 to 0.

    Raises:
        DataError: When an array is malformed, holds a zero vector, or k is below 1.

    Paper: Out-of-Distribution Detection with Deep Nearest Neighbors, arXiv:2204.06507.

    >>> knn_scores([[2.0, 0.0]], [[1.0, 0.0], [0.0, 3.0]], neighbours=2).round(4).tolist()
    [-1.4142]
    """
    if neighbours < 1:
        raise DataError(f"neighbours - too few - {neighbours} - give at least 1")
    seen = _unit("train_features", train_features)
    asked = _unit("features", features)
    if not len(seen) or seen.shape[1] != asked.shape[1]:
        raise DataError(
            f"train_features - do not match - shape {seen.shape} beside {asked.shape} - give at "
            "least one image of the same model"
        )
    place = len(seen) - min(neighbours, len(seen))
    rows = max(1, _BLOCK // len(seen))
    scores = np.empty(len(asked))
    for start in range(0, len(asked), rows):
        cosines = asked[start : start + rows] @ seen.T
        nearest = np.partition(cosines, place, axis=1)[:, place]
        scores[start : start + rows] = -np.sqrt(np.maximum(2 - 2 * nearest, 0))
    return scores


def auroc(known: npt.ArrayLike, unknown: npt.ArrayLike) -> float:
    """Probability that a known image scores above an unknown one; ties count half.

    Taken from ranks: scikit-learn adds up trapezoids, whose last bits are others.

    Args:
        known: Scores of known images, shape (N,), N at least 1.
        unknown: Scores of unknown images, shape (M,), M at least 1.

    Returns:
        From 0 to 1; 0.5 is guessing.

    Raises:
        DataError: When there are no scores, or one is not finite.

    >>> auroc([0.9, 0.5], [0.5, 0.1])
    0.875
    """
    inside, outside = _scores("known", known), _scores("unknown", unknown)
    ranks = rankdata(np.concatenate([inside, outside]))[: len(inside)]
    above = ranks.sum() - len(inside) * (len(inside) + 1) / 2
    return float(above / (len(inside) * len(outside)))


def false_positive_rate(known: npt.ArrayLike, unknown: npt.ArrayLike, kept: float = KEPT) -> float:
    """Fraction of unknown images that pass at the highest threshold that keeps `kept` of the known.

    Args:
        known: Scores of known images, shape (N,), N at least 1.
        unknown: Scores of unknown images, shape (M,), M at least 1.
        kept: Above 0, at most 1; 0.95 gives FPR95.

    Returns:
        From 0 (every unknown image is detected) to 1.

    Raises:
        DataError: When there are no scores, one is not finite, or `kept` is out of range.

    >>> false_positive_rate([0.9, 0.8, 0.7, 0.1], [0.75, 0.2], kept=0.75)
    0.5
    """
    threshold = answering_threshold(_scores("known", known), kept)
    return float((_scores("unknown", unknown) >= threshold).mean())


def detection(known: npt.ArrayLike, unknown: npt.ArrayLike) -> Detection:
    """AUROC and FPR95 of one detector; both None, with the `reason`, where all scores are equal.

    Neither has an interval: that of FPR95 would have to hold for the threshold too, which 5 % of
    the known images decide.

    Args:
        known: Scores of known images, shape (N,), N at least 1; high is known.
        unknown: Scores of unknown images, shape (M,), M at least 1.

    Raises:
        DataError: When there are no scores, or one is not finite.

    >>> detection([0.9, 0.8], [0.1, 0.2])
    {'auroc': 1.0, 'fpr95': 0.0, 'reason': None}
    """
    if np.ptp(np.concatenate([_scores("known", known), _scores("unknown", unknown)])) == 0:
        return Detection(auroc=None, fpr95=None, reason=ALL_EQUAL)
    return Detection(
        auroc=auroc(known, unknown), fpr95=false_positive_rate(known, unknown), reason=None
    )


def _scores(name: str, given: npt.ArrayLike) -> FloatArray:
    values = np.asarray(given, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise DataError(
            f"{name} - not finite scores of at least one image - shape {values.shape} - give one "
            "finite number per image"
        )
    return values


def _unit(name: str, given: npt.ArrayLike) -> FloatArray:
    values = np.asarray(given, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise DataError(
            f"{name} - not finite rows of numbers - shape {values.shape} - give shape (images, "
            "dimensions)"
        )
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    if not (lengths > 0).all():
        row = int(np.flatnonzero(lengths[:, 0] == 0)[0])
        raise DataError(f"{name}[{row}] - no direction - all zeros - give image features")
    unit: FloatArray = values / lengths
    return unit
