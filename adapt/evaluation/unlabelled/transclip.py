"""TransCLIP: answers for a whole set of images at once, from their features and first answers."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from adapt.common.arrays import FloatArray
from adapt.errors import DataError
from adapt.evaluation.metrics.validation import check_some

NEIGHBOURS, MOST_CONFIDENT = 3, 8
ROUNDS, STEPS = 10, 5
SHARPNESS = 50
"""By how much the authors divide what mixture and neighbours say, before it is an exponent."""
BLOCK = 2048
"""Images whose neighbours are sought at once."""


def transclip(
    features: npt.ArrayLike, probabilities: npt.ArrayLike, trust: float = 1.0
) -> FloatArray:
    """Probabilities that agree with first answers, with one Gaussian per class and with neighbours.

    The Gaussians share a diagonal covariance. In turn answers are updated (five times, since each
    looks at those of its nearest images), then means, then the covariance; ten rounds, without
    labelled images. Settings are those of the authors.

    Args:
        features: Unit image features, shape (N, D).
        probabilities: First answers, shape (N, K).
        trust: Weight of the first answers, lambda of the paper.

    Returns:
        Probabilities (N, K), sharper than the first; whether they are calibrated is not known.

    Raises:
        DataError: When the arrays are malformed, or there are no more images than neighbours.

    Paper: Boosting Vision-Language Models with Transduction, arXiv:2406.01837. Where first answers
    are given as probabilities, the authors' code overwrites them while it works; here they stay.

    >>> near = np.repeat(np.eye(2), 4, axis=0)
    >>> first = [[0.9, 0.1]] * 3 + [[0.4, 0.6]] + [[0.1, 0.9]] * 4
    >>> transclip(near, first).argmax(axis=1).tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    given = np.asarray(probabilities)
    first, _ = check_some(given, np.zeros(len(given), np.int64))
    points = np.asarray(features, dtype=np.float64)
    if points.ndim != 2 or len(points) != len(first) or not np.isfinite(points).all():
        raise DataError(
            f"features - not one finite row per image - shape {points.shape} for {len(first)} "
            "images - give those of the same images"
        )
    if len(points) <= NEIGHBOURS:
        raise DataError(
            f"features - too few images to know each other - {len(points)} - give at least "
            f"{NEIGHBOURS + 1}"
        )
    anchor = np.maximum(first, np.finfo(np.float64).tiny) ** trust
    affinity = _affinity(points)
    answers, means = first.astype(np.float64), _first_means(points, first)
    variance = np.full(points.shape[1], 1 / points.shape[1])
    for number in range(ROUNDS + 1):
        likelihood = _log_likelihood(points, means, variance)
        answers = _agreed(likelihood, anchor, answers, affinity)
        if number < ROUNDS:
            means = _directions(answers.T @ points, means)
            variance = _variance(points, means, answers)
    return answers


def _affinity(points: FloatArray) -> csr_array:
    """Cosine similarities of each image with its nearest, counted in both directions (N, N)."""
    count = len(points)
    nearest = np.empty((count, NEIGHBOURS), np.int64)
    values = np.empty((count, NEIGHBOURS))
    for begin in range(0, count, BLOCK):
        rows = slice(begin, min(begin + BLOCK, count))
        similar = points[rows] @ points.T
        similar[np.arange(len(similar)), np.arange(begin, begin + len(similar))] = -np.inf
        nearest[rows] = np.argpartition(-similar, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        values[rows] = np.take_along_axis(similar, nearest[rows], axis=1)
    starts = np.arange(0, count * NEIGHBOURS + 1, NEIGHBOURS)
    one_way = csr_array((values.ravel(), nearest.ravel(), starts), shape=(count, count))
    return csr_array(one_way + one_way.T)


def _first_means(points: FloatArray, first: FloatArray) -> FloatArray:
    """Of each class, the images that are most probably of it, weighted by that (K, D)."""
    count = min(MOST_CONFIDENT, len(points))
    best = np.argsort(-first, axis=0, kind="stable")[:count]
    weights = np.take_along_axis(first, best, axis=0)
    return _directions(np.einsum("nk,nkd->kd", weights, points[best]), np.zeros(1))


def _log_likelihood(points: FloatArray, means: FloatArray, variance: FloatArray) -> FloatArray:
    """Up to a constant of each image, (N, K)."""
    scaled = means / variance
    likelihood: FloatArray = points @ scaled.T - 0.5 * (means * scaled).sum(axis=1)
    return likelihood


def _agreed(
    likelihood: FloatArray, anchor: FloatArray, answers: FloatArray, affinity: csr_array
) -> FloatArray:
    """Answers that follow mixture, first answers and those of their neighbours."""
    for _ in range(STEPS):
        raised = likelihood + SHARPNESS / (2 * NEIGHBOURS) * (affinity @ answers)
        raised -= raised.max(axis=1, keepdims=True)
        answers = anchor * np.exp(raised / SHARPNESS)
        answers /= answers.sum(axis=1, keepdims=True)
    return answers


def _directions(sums: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Rows of unit length; a class that no image belongs to keeps what it had."""
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    rows: FloatArray = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), otherwise)
    return rows


def _variance(points: FloatArray, means: FloatArray, answers: FloatArray) -> FloatArray:
    """Of each dimension around the mean of an image's class (D,)."""
    mass = answers.sum(axis=0)
    spread = (points**2).sum(axis=0) + mass @ means**2
    spread -= 2 * (means * (answers.T @ points)).sum(axis=0)
    variance: FloatArray = np.maximum(spread / len(points), np.finfo(np.float64).eps)
    return variance
