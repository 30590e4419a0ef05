"""How accurate a model is on images without labels, from how sure it is of them.

Each estimator compares new images with reference images, whose labels are known and which the model
did not learn from. All assume that confidence means there what it meant here; how far that holds on
our shifts is in `docs/benchmarks/monitor.md`.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from adapt.common.arrays import BoolArray, FloatArray
from adapt.errors import DataError


def average_confidence(confidences: npt.ArrayLike) -> float:
    """The mean confidence: the accuracy, if the model is calibrated there.

    Args:
        confidences: Highest probability of each new image, shape (N,), N at least 1.

    Raises:
        DataError: When they are not finite numbers of at least one image.

    >>> average_confidence([0.5, 1.0])
    0.75
    """
    return float(_numbers("confidences", confidences).mean())


def difference_of_confidences(
    reference: npt.ArrayLike, right: npt.ArrayLike, confidences: npt.ArrayLike
) -> float:
    """DoC: the accuracy falls by as much as the mean confidence does.

    Args:
        reference: Confidences of the reference images, shape (M,), M at least 1.
        right: Which of them are answered correctly, shape (M,).
        confidences: Of the new images, shape (N,), N at least 1.

    Returns:
        From 0 to 1.

    Raises:
        DataError: When the arrays are malformed.

    Paper: Predicting with Confidence on Unseen Distributions, arXiv:2107.03315.

    >>> round(difference_of_confidences([0.9, 0.7], [True, True], [0.7, 0.5]), 6)
    0.8
    """
    before, correct = _reference(reference, right)
    fallen = float(before.mean() - _numbers("confidences", confidences).mean())
    return float(np.clip(correct.mean() - fallen, 0.0, 1.0))


def confidence_threshold(reference: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """The score below which lie as many reference images as are answered wrongly.

    Args:
        reference: A score of each reference image, shape (M,), M at least 1; high is sure.
        right: Which of them are answered correctly, shape (M,).

    Returns:
        One of the scores; infinity where every answer is wrong.

    Raises:
        DataError: When the arrays are malformed.

    >>> confidence_threshold([0.2, 0.4, 0.9], [True, False, True])
    0.4
    """
    scores, correct = _reference(reference, right)
    wrong = int((~correct).sum())
    return float(np.sort(scores)[wrong]) if wrong < len(scores) else float("inf")


def average_thresholded_confidence(
    reference: npt.ArrayLike, right: npt.ArrayLike, scores: npt.ArrayLike
) -> float:
    """ATC: the share of new images whose score reaches `confidence_threshold`.

    Args:
        reference: A score of each reference image, such as the highest probability or
            `negative_entropy`, shape (M,), M at least 1.
        right: Which of them are answered correctly, shape (M,).
        scores: The same score of the new images, shape (N,), N at least 1.

    Returns:
        From 0 to 1.

    Raises:
        DataError: When the arrays are malformed.

    Paper: Leveraging Unlabeled Data to Predict Out-of-Distribution Performance, arXiv:2201.04234.

    >>> average_thresholded_confidence([0.2, 0.4, 0.9], [True, False, True], [0.3, 0.5])
    0.5
    """
    threshold = confidence_threshold(reference, right)
    return float((_numbers("scores", scores) >= threshold).mean())


def negative_entropy(probabilities: npt.ArrayLike) -> FloatArray:
    """Minus the entropy in nats, shape (N,): 0 where a model is certain.

    Args:
        probabilities: Shape (N, K), rows sum to 1.

    Raises:
        DataError: When they are no rows of probabilities.

    >>> negative_entropy([[1.0, 0.0], [0.5, 0.5]]).round(3).tolist()
    [0.0, -0.693]
    """
    checked = np.asarray(probabilities, dtype=np.float64)
    if checked.ndim != 2 or not np.isfinite(checked).all() or (checked < 0).any():
        raise DataError(
            f"probabilities - not one row per image - shape {checked.shape} - give shape (images, "
            "classes), numbers from 0 to 1"
        )
    entropies: FloatArray = xlogy(checked, checked).sum(axis=1)
    return entropies


def _reference(scores: npt.ArrayLike, right: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    values, correct = _numbers("reference", scores), np.asarray(right)
    if correct.shape != values.shape or not np.isin(correct, (0, 1)).all():
        raise DataError(
            f"right - not one per reference image - shape {correct.shape} for {len(values)} images "
            "- give true where the answer is correct"
        )
    return values, correct.astype(np.bool_)


def _numbers(name: str, given: npt.ArrayLike) -> FloatArray:
    values = np.asarray(given, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise DataError(
            f"{name} - not finite scores of at least one image - shape {values.shape} - give one "
            "finite number per image"
        )
    return values
