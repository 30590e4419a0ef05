"""Average precision of each class and its mean, mAP, with intervals over resampled images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import BoolArray, FloatArray
from adapt.errors import DataError
from adapt.evaluation.metrics.bootstrap import percentile_interval, resampling_counts


def check_label_scores(
    scores: npt.ArrayLike, targets: npt.ArrayLike
) -> tuple[FloatArray, BoolArray]:
    """Check that there is a finite score and a yes or no for each class of some images.

    Args:
        scores: Shape (N, K): logits or probabilities.
        targets: Shape (N, K), 0 or 1.

    Returns:
        Both, as float64 and bool.

    Raises:
        DataError: When a shape or a value is wrong, or N or K is 0.
    """
    checked, marks = np.asarray(scores, np.float64), np.asarray(targets)
    if checked.ndim != 2 or 0 in checked.shape or not np.isfinite(checked).all():
        advice = "give finite numbers of shape (images, classes)"
        raise DataError(f"scores - not a number per class - shape {checked.shape} - {advice}")
    if marks.shape != checked.shape or not np.isin(marks, (0, 1)).all():
        advice = "give 0 or 1 for each image and class"
        raise DataError(f"targets - not 0 or 1 per class - shape {marks.shape} - {advice}")
    return checked, marks.astype(np.bool_)


@dataclass(frozen=True)
class _ClassOrder:
    """One class: its images from the highest score down."""

    order: np.ndarray
    """Positions (N,)."""
    places: np.ndarray
    """Where in the order the P images are that have the class, (P,)."""
    ends: np.ndarray
    """For each of them the last place with its score: images of one score rank together, (P,)."""

    @classmethod
    def of(cls, scores: FloatArray, targets: BoolArray) -> "_ClassOrder":
        order = np.argsort(-scores, kind="stable")
        falls = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
        places = np.flatnonzero(targets[order])
        return cls(order, places, falls[np.searchsorted(falls, places)])

    def precision(self, counts: np.ndarray) -> FloatArray:
        """Average precision (S,) of images that count `counts` (N, S) times; NaN without any."""
        if not len(self.places):
            return np.full(counts.shape[1], np.nan)
        ranked = counts[self.order]
        own, seen = ranked[self.places], np.cumsum(ranked, axis=0)[self.ends]
        hits = np.cumsum(own, axis=0)
        up_to = hits[np.searchsorted(self.places, self.ends, side="right") - 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.where(own > 0, own * up_to / seen, 0.0)
            means: FloatArray = parts.sum(axis=0) / hits[-1]
        return means


def centred_interval(value: float, draws: FloatArray) -> list[float]:
    """The 95 % interval of bootstrap draws, moved so that their mean is the value.

    Resampled images repeat, and copies of an image with a class are ranked together: average
    precision of resampled images is too high, the more so the fewer images there are.

    Args:
        value: Of the images as they are.
        draws: Of resampled images, (S,).

    >>> centred_interval(0.0, np.array([1.0, 1.0, 1.0]))
    [0.0, 0.0]
    """
    low, high = percentile_interval(draws - draws.mean() + value)
    return [low, high]


def average_precisions(scores: npt.ArrayLike, targets: npt.ArrayLike) -> FloatArray:
    """Average precision of each class: the mean, over its images, of the precision up to each.

    The sum over thresholds of precision times the recall that it gains, as in scikit-learn; images
    of equal score are taken together.

    Args:
        scores: Shape (N, K), higher where a class is more likely.
        targets: Shape (N, K).

    Returns:
        Shape (K,), 0 to 1; NaN for a class that no image has.

    Raises:
        DataError: When the arrays are malformed.

    >>> average_precisions([[0.9], [0.8], [0.1]], [[1], [0], [1]]).round(3).tolist()
    [0.833]
    """
    checked, marks = check_label_scores(scores, targets)
    ones = np.ones((len(checked), 1))
    columns = zip(checked.T, marks.T, strict=True)
    return np.array([_ClassOrder.of(*column).precision(ones)[0] for column in columns])


def mean_average_precision(scores: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Mean of `average_precisions` (mAP) over the classes that some image has.

    Raises:
        DataError: When the arrays are malformed, or no image has a class.
    """
    precisions = average_precisions(scores, targets)
    if np.isnan(precisions).all():
        raise DataError("mAP - not defined - no image has a label - score images with labels")
    return float(np.nanmean(precisions))


def resampled_precisions(
    scores: npt.ArrayLike, targets: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> FloatArray:
    """Average precision of each class on bootstrap samples of the images, the same for every model.

    Args:
        scores: Shape (N, K).
        targets: Shape (N, K).
        samples: Number of bootstrap samples S.
        seed: Same seed, same samples.

    Returns:
        Shape (S, K); NaN where no image of a sample has the class.

    Raises:
        DataError: When the arrays are malformed.
    """
    checked, marks = check_label_scores(scores, targets)
    ranked = [_ClassOrder.of(*column) for column in zip(checked.T, marks.T, strict=True)]
    blocks = []
    for counts in resampling_counts(len(checked), samples, seed):
        rows = np.ascontiguousarray(counts.T, np.float32)
        blocks.append(np.stack([own.precision(rows) for own in ranked], axis=1))
    return np.concatenate(blocks)


def resampled_maps(
    scores: npt.ArrayLike, targets: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> FloatArray:
    """Mean average precision on bootstrap samples of the images, the same samples for every model.

    A class that no image of a sample has does not count in it.

    Args:
        scores: Shape (N, K).
        targets: Shape (N, K).
        samples: Number of bootstrap samples S.
        seed: Same seed, same samples.

    Returns:
        Shape (S,).

    Raises:
        DataError: When the arrays are malformed, or no image has a class.
    """
    checked, marks = check_label_scores(scores, targets)
    known = np.flatnonzero(marks.any(axis=0))
    if not len(known):
        raise DataError("mAP - not defined - no image has a label - score images with labels")
    ranked = [_ClassOrder.of(checked[:, k], marks[:, k]) for k in known]
    blocks = []
    for counts in resampling_counts(len(checked), samples, seed):
        sums, classes = np.zeros(len(counts)), np.zeros(len(counts))
        # Sums of counts are exact in single precision, and images in rows are added up fast.
        rows = np.ascontiguousarray(counts.T, np.float32)
        for one in ranked:
            precision = one.precision(rows)
            there = ~np.isnan(precision)
            sums[there] += precision[there]
            classes += there
        blocks.append(sums / np.maximum(classes, 1))
    return np.concatenate(blocks)
