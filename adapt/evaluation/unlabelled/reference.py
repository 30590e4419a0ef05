"""The statistics of held-out images that travel with a model, from what it says of them."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from adapt.common.arrays import FloatArray, IntArray, SingleArray
from adapt.evaluation.metrics.validation import check_targets
from adapt.evaluation.unlabelled.confidence import negative_entropy
from adapt.models.bundle.reference import (
    FEATURE_BYTES,
    MOST_FEATURES,
    MOST_IMAGES,
    MOST_POINTS,
    Reference,
)

Points = Mapping[float, tuple[np.ndarray, float]]
"""By alpha: logits (N, K) of the same images, and the temperature of the model there."""


def reference_of(
    source: str,
    targets: npt.ArrayLike,
    logits: np.ndarray,
    temperature: float,
    features: np.ndarray | str,
    line: tuple[float, Points] | None = None,
) -> Reference:
    """Statistics of labelled images that a model did not learn from.

    Of more than 10,000 images a fixed sample is kept, and of their features as many as take 1 MB.

    Args:
        source: `val`, `folds` or the name of a folder.
        targets: True class numbers, shape (N,), N at least 1.
        logits: Of the model, shape (N, K).
        temperature: Of the model.
        features: Unit image features of these images, or of a sample of them, shape (F, D); or why
            there are none.
        line: Where the model lies on the line from its start, and what the models at some points of
            the line say; None where there is no line.

    Raises:
        DataError: When the targets are malformed.
    """
    kept = sampled(len(logits), MOST_IMAGES)
    checked = check_targets(targets, *logits.shape)[kept]
    probabilities = _probabilities(logits, temperature)
    own = probabilities[kept]
    alpha, points = line or (0.0, {})
    alphas = [float(value) for value in sorted(points)]
    said = [_probabilities(points[value][0][kept], points[value][1]) for value in alphas]
    none = np.zeros((0, 0), np.float32)
    rows = features if isinstance(features, np.ndarray) else none
    return Reference(
        source,
        len(logits),
        float(temperature),
        checked,
        own.argmax(axis=1),
        own.max(axis=1).astype(np.float32),
        -negative_entropy(own).astype(np.float32),
        probabilities.mean(axis=0),
        kept_features(rows) if len(rows) else none,
        "" if isinstance(features, np.ndarray) else features,
        float(alpha),
        alphas,
        [float(points[value][1]) for value in alphas],
        np.stack([part.argmax(axis=1) for part in said]) if said else none.astype(np.int64),
        np.stack([part.max(axis=1) for part in said]).astype(np.float32) if said else none,
    )


def _probabilities(logits: np.ndarray, temperature: float) -> FloatArray:
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    return np.asarray(softmax(scaled, axis=1), dtype=np.float64)


def points_to_keep(alphas: npt.ArrayLike, chosen: float) -> list[float]:
    """The ends of a line, the chosen point and what is nearest to quarters: five at most.

    Args:
        alphas: Those that images were seen at, from 0 to 1.
        chosen: One of them.

    >>> points_to_keep([0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0], chosen=0.3)
    [0.0, 0.3, 0.5, 0.7, 1.0]
    """
    given = np.unique(np.asarray(alphas, dtype=np.float64))
    kept = {float(given[0]), float(given[-1]), float(chosen)}
    quarters = sorted((0.25, 0.5, 0.75), key=lambda value: -abs(value - chosen))
    for quarter in quarters:
        nearest = float(given[np.abs(given - quarter).argmin()])
        if len(kept) < MOST_POINTS:
            kept.add(nearest)
    return sorted(kept)


def sampled(images: int, most: int) -> IntArray:
    """Positions, ascending, of a fixed sample; all where there are no more than `most`.

    >>> sampled(3, 5).tolist(), len(sampled(30, 5))
    ([0, 1, 2], 5)
    """
    if images <= most:
        return np.arange(images)
    return np.sort(np.random.default_rng(0).permutation(images)[:most])


def feature_count(width: int) -> int:
    """How many features of D numbers are kept.

    >>> feature_count(512), feature_count(1024)
    (976, 488)
    """
    return min(MOST_FEATURES, FEATURE_BYTES // (2 * width))


def kept_features(features: np.ndarray) -> SingleArray:
    """As many features (F, D) as travel with a model, rounded to half precision as they will be."""
    rows = sampled(len(features), feature_count(features.shape[1]))
    return features[rows].astype(np.float16).astype(np.float32)
