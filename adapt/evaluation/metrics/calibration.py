"""Whether the confidence of a classifier matches its accuracy; the temperature that makes it so."""

from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError
from adapt.evaluation.metrics.base import METRICS, Metric
from adapt.evaluation.metrics.validation import check_probabilities, check_targets

BINS = 15
LOWEST_TEMPERATURE = 0.05
HIGHEST_TEMPERATURE = 10_000.0
"""Votes and discriminants of a few images can be hundreds of times too confident."""


class ReliabilityBin(TypedDict):
    """One bin of `reliability_bins`: confidences in `(lower, upper]`; None in an empty one."""

    lower: float
    upper: float
    n: int
    confidence: float | None
    accuracy: float | None


def bin_of(confidences: FloatArray, bins: int) -> IntArray:
    """Find the equal-width bin (lower, upper] of each confidence.

    torchmetrics' own binning puts confidences of exactly 1 into a 16th bin, which hides an
    over-confident model from the plot and changes the error, so it is not used.

    Args:
        confidences: Shape (N,), from 0 to 1.
        bins: Number of bins, at least 1.

    Returns:
        Shape (N,), indices from 0 to ``bins`` - 1; confidence 0 goes to the first bin.

    >>> bin_of(np.array([0.0, 0.2, 0.5, 0.6, 1.0]), bins=2)
    array([0, 0, 0, 1, 1])
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    places: IntArray = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, bins - 1)
    return places


def reliability_bins(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, bins: int = BINS
) -> list[ReliabilityBin]:
    """Confidence against accuracy in equal-width bins of confidence: the reliability diagram.

    Args:
        probabilities: Shape (N, K), rows sum to 1.
        targets: Shape (N,), class indices.
        bins: Number of bins, at least 1.

    Returns:
        One dict per bin: ``lower``, ``upper`` (the bin is (lower, upper]), ``n`` images, mean
        ``confidence`` and ``accuracy``, both ``None`` in an empty bin.

    Raises:
        DataError: When the arrays are malformed or ``bins`` is below 1.

    Paper: On Calibration of Modern Neural Networks, arXiv:1706.04599.

    >>> reliability_bins([[0.9, 0.1], [0.8, 0.2]], [0, 1], bins=2)[1]["accuracy"]
    0.5
    """
    if bins < 1:
        raise DataError(f"bins - too few - {bins} - give at least 1")
    checked, indices = check_probabilities(probabilities, targets)
    confidences, right = checked.max(axis=1), checked.argmax(axis=1) == indices
    which, edges = bin_of(confidences, bins), np.linspace(0.0, 1.0, bins + 1)
    sums = [np.bincount(which, weights, bins) for weights in (None, confidences, right)]
    return [
        ReliabilityBin(
            lower=float(edges[index]),
            upper=float(edges[index + 1]),
            n=int(images),
            confidence=float(confidence / images) if images else None,
            accuracy=float(correct / images) if images else None,
        )
        for index, (images, confidence, correct) in enumerate(zip(*sums, strict=True))
    ]


class CalibrationError(Metric):
    """Gap between confidence and accuracy, mean over the bins weighted by their images (ECE).

    From 0 (confidence is accuracy) to 1, over 15 equal-width bins of confidence.

    Paper: On Calibration of Modern Neural Networks, arXiv:1706.04599.

    >>> round(expected_calibration_error([[0.9, 0.1], [0.9, 0.1]], [0, 1]), 6)
    0.4
    """

    def value(self, probabilities: FloatArray, targets: IntArray) -> float:
        """The error."""
        gaps = [
            row["n"] * abs(row["confidence"] - row["accuracy"])
            for row in reliability_bins(probabilities, targets)
            if row["confidence"] is not None and row["accuracy"] is not None
        ]
        return float(sum(gaps) / len(probabilities))

    def statistics(self, probabilities: FloatArray, targets: IntArray) -> sparse.csr_array:
        """Shape (N, bins): confidence minus correctness, in the column of the image's bin."""
        images, confidences = len(probabilities), probabilities.max(axis=1)
        right = (probabilities.argmax(axis=1) == targets).astype(np.float64)
        places = (np.arange(images), bin_of(confidences, BINS))
        return sparse.csr_array((confidences - right, places), shape=(images, BINS))

    def of_sums(self, sums: FloatArray, images: int) -> FloatArray:
        """N * |confidence - accuracy| of a bin is the absolute value of its sum."""
        error: FloatArray = np.abs(sums).sum(axis=1) / images
        return error


expected_calibration_error = CalibrationError()
METRICS.register("ece", expected_calibration_error)


def fit_temperature(logits: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Find the temperature T that minimises the negative log-likelihood of softmax(logits / T).

    T above 1 means that the classifier was over-confident, below 1 that it was under-confident.
    Predictions do not change, only their confidence. Fit it on a validation set, never on the
    test set. The likelihood has one optimum in log T, found between 0.05 and 10,000; when every
    image is right, lower is always better and the answer is 0.05, or 1 where all are so sure that
    nothing is gained.

    Args:
        logits: Shape (N, K), finite, before any softmax.
        targets: Shape (N,), class indices.

    Returns:
        T from 0.05 to 10,000; 1.0 when T makes no difference beyond 1e-12 of the loss (one class,
        constant logits, or images that are all right and sure).

    Raises:
        DataError: When the arrays are malformed or empty.

    Paper: On Calibration of Modern Neural Networks, arXiv:1706.04599.
    """
    checked = np.asarray(logits, dtype=np.float64)
    if checked.ndim != 2 or 0 in checked.shape or not np.isfinite(checked).all():
        raise DataError(
            f"logits - not a row of finite numbers per image - shape {checked.shape} - give "
            "finite numbers of shape (images, classes)"
        )
    indices = check_targets(targets, *checked.shape)
    chosen = checked[np.arange(len(checked)), indices]

    def loss(temperature: float) -> float:
        # -log softmax of the true class, as logsumexp so that large logits do not overflow.
        scaled = logsumexp(checked / temperature, axis=1) - chosen / temperature
        return float(scaled.mean())

    # In log T the likelihood is smooth and has one optimum, however far away it is.
    optimum = minimize_scalar(
        lambda log_temperature: loss(float(np.exp(log_temperature))),
        bounds=(np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    # The minimiser never evaluates the ends themselves; 1 comes first to win ties on flat losses.
    candidates = (1.0, LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE, float(np.exp(optimum.x)))
    return min(candidates, key=lambda temperature: round(loss(temperature), 12))
