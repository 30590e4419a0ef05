"""Whether the confidence of a classifier matches its accuracy; the temperature that makes it so."""

from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError
from adapt.evaluation.metrics.base import METRICS, Metric, log_probabilities
from adapt.evaluation.metrics.validation import check_probabilities, check_targets

BINS = 15
_BLOCK = 2_000_000  # numbers held at once: tens of MB
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


class ErrorByChance(TypedDict):
    """What `calibration_by_chance` returns."""

    mean: float
    most: float


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

    From 0 (confidence is accuracy) to 1, over 15 equal-width bins of confidence. It has no
    interval: chance makes gaps in both directions and all of them count as positive, so on few
    images it lies above the true error, and resampled sets lie higher still. What chance alone
    would give says `calibration_by_chance`.

    Paper: On Calibration of Modern Neural Networks, arXiv:1706.04599.

    >>> nine_to_one = [[2.1972245773362196, 0.0]]
    >>> round(expected_calibration_error(nine_to_one * 2, [0, 1]), 6)
    0.4
    """

    def value(self, logs: FloatArray, targets: IntArray) -> float:
        """The error."""
        confidences = np.exp(logs.max(axis=1))
        gaps = confidences - (logs.argmax(axis=1) == targets)
        sums = np.bincount(bin_of(confidences, BINS), gaps, BINS)
        return float(np.abs(sums).sum() / len(logs))


expected_calibration_error = CalibrationError()
METRICS.register("ece", expected_calibration_error)


def calibration_by_chance(
    logits: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> ErrorByChance:
    """The calibration error that a perfectly calibrated model of these confidences would show.

    Whether each image is right is drawn with its own confidence (consistency resampling of Bröcker
    and Smith 2007; Vaicenavicius et al. 2019, arXiv:1902.06977). An error above `most` is
    more than chance, with 95 % confidence; one below it may be nothing.

    Args:
        logits: Shape (N, K), N at least 1, already divided by the temperature.
        samples: How often the answers are drawn.
        seed: Same seed, same result.

    Returns:
        The `mean` and `most`, the 95 % quantile.

    Raises:
        DataError: When the logits are malformed.

    >>> calibration_by_chance([[0.0, 50.0]])
    {'mean': 0.0, 'most': 0.0}
    """
    checked, _ = log_probabilities(logits, np.zeros(len(np.asarray(logits)), np.int64))
    confidences, generator = np.exp(checked.max(axis=1)), np.random.default_rng(seed)
    order = np.argsort(places := bin_of(confidences, BINS), kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    errors, block = [], max(1, _BLOCK // len(confidences))
    for done in range(0, samples, block):
        shape = (min(block, samples - done), len(confidences))
        gaps = confidences[order] - (generator.random(shape) < confidences[order])
        errors.append(np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1) / shape[1])
    drawn = np.concatenate(errors)
    return ErrorByChance(mean=float(drawn.mean()), most=float(np.quantile(drawn, 0.95)))


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
