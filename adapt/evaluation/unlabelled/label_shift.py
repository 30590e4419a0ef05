"""How often each class occurs among images without labels, and probabilities that know it.

Both estimators assume label shift: the images of each class look as they did, only the mix is
another. Where images look different too, what they say is wrong by an unknown amount.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from adapt.common.arrays import FloatArray
from adapt.errors import DataError
from adapt.evaluation.metrics.validation import check_some, check_targets

STEPS, TOLERANCE = 1000, 1e-6
LEAST = 1e-12


def black_box_shift(
    targets: npt.ArrayLike, predicted: npt.ArrayLike, new: npt.ArrayLike, classes: int
) -> FloatArray:
    """BBSE: the class mix that explains how often each class is predicted.

    Solves `C w = m` for the ratios w of new to reference class frequencies, where C holds the
    shares of reference images by predicted and true class and m how often each class is predicted
    on new images. Least squares with w of at least 0; a class that no reference image has keeps
    the frequency 0.

    Args:
        targets: True classes of the reference images, shape (M,), M at least 1.
        predicted: What the model answers on these, shape (M,).
        new: What it answers on new images, shape (N,), N at least 1.
        classes: K.

    Returns:
        Frequencies (K,), sum 1.

    Raises:
        DataError: When the arrays are malformed, or nothing explains the answers.

    Paper: Detecting and Correcting for Label Shift with Black Box Predictors, arXiv:1802.03916.

    >>> black_box_shift([0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1], classes=2).tolist()
    [0.25, 0.75]
    """
    true = _some("targets", targets, classes)
    said = check_targets(predicted, len(true), classes)
    asked = np.bincount(_some("new", new, classes), minlength=classes) / np.size(new)
    joint = np.zeros((classes, classes))
    np.add.at(joint, (said, true), 1 / len(true))
    ratios = nnls(joint, asked)[0]
    mix = ratios * joint.sum(axis=0)
    if not mix.sum() > 0:
        raise DataError(
            "new - no class mix explains the answers - only classes are predicted that are never "
            "predicted on reference images - give more reference images"
        )
    shares: FloatArray = mix / mix.sum()
    return shares


def _some(name: str, given: npt.ArrayLike, classes: int) -> npt.NDArray[np.int64]:
    if not np.size(given):
        raise DataError(f"{name} - no images - 0 - give at least one")
    return check_targets(given, len(np.asarray(given)), classes)


def most_likely_shift(
    probabilities: npt.ArrayLike,
    prior: npt.ArrayLike,
    start: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> FloatArray:
    """MLLS: the class mix under which the new images are most likely, by the EM of Saerens et al.

    Args:
        probabilities: Of new images, shape (N, K), calibrated on reference images.
        prior: The class mix that these probabilities expect, shape (K,): their mean over the
            reference images (Alexandari et al., arXiv:1901.06852). Classes of prior 0 keep 0.
        start: Where the search begins; at the prior if None.
        weights: How much each image counts, shape (N,); all alike if None.

    Returns:
        Frequencies (K,), sum 1.

    Raises:
        DataError: When the arrays are malformed.

    Paper: Saerens, Latinne and Decaestecker, Adjusting the Outputs of a Classifier to New a Priori
    Probabilities, Neural Computation 14 (2002); named MLLS in arXiv:2003.07554.

    >>> most_likely_shift([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0.5, 0.5]).round(4).tolist()
    [0.6667, 0.3333]
    """
    given = np.asarray(probabilities)
    checked, _ = check_some(given, np.zeros(len(given), np.int64))
    before = _mix("prior", prior, checked.shape[1])
    counts = np.ones(len(checked)) if weights is None else np.asarray(weights, dtype=np.float64)
    if counts.shape != (len(checked),) or not counts.sum() > 0 or (counts < 0).any():
        raise DataError(f"weights - not one per image - {counts.shape} - give numbers from 0 on")
    known = before > 0
    likelihood = np.where(known, checked / np.where(known, before, 1), 0.0)
    mix = before if start is None else _mix("start", start, checked.shape[1])
    for _ in range(STEPS):
        # An image that only classes of prior 0 explain says nothing.
        total = np.maximum(likelihood @ mix, LEAST)
        after = mix * ((counts / total) @ likelihood)
        after = after / after.sum() if after.sum() > 0 else mix
        moved = np.abs(after - mix).max()
        mix = after
        if moved < TOLERANCE:
            break
    return np.asarray(mix, dtype=np.float64)


def with_mix(probabilities: npt.ArrayLike, prior: npt.ArrayLike, mix: npt.ArrayLike) -> FloatArray:
    """Probabilities under another class mix, by Bayes' rule.

    Args:
        probabilities: Shape (N, K), for classes as frequent as in `prior`.
        prior: Shape (K,). A class of prior 0 has the probability 0 afterwards.
        mix: Shape (K,), the frequencies that hold.

    Returns:
        Shape (N, K); a row that no class of the mix explains is left as it is.

    Raises:
        DataError: When the arrays are malformed.

    >>> with_mix([[0.5, 0.5]], prior=[0.5, 0.5], mix=[0.9, 0.1]).tolist()
    [[0.9, 0.1]]
    """
    given = np.asarray(probabilities)
    checked, _ = check_some(given, np.zeros(len(given), np.int64))
    before, after = (
        _mix(name, values, checked.shape[1]) for name, values in (("prior", prior), ("mix", mix))
    )
    ratios = np.where(before > 0, after / np.where(before > 0, before, 1), 0.0)
    raised = checked * ratios
    totals = raised.sum(axis=1, keepdims=True)
    corrected: FloatArray = np.where(totals > 0, raised / np.where(totals > 0, totals, 1), checked)
    return corrected


@dataclass(frozen=True)
class MixIntervals:
    """A class mix with what resampling says of it."""

    mix: FloatArray
    """Shape (K,)."""
    low: FloatArray
    """Lower ends of the 95 % intervals, shape (K,)."""
    high: FloatArray
    """Upper ends."""


def black_box_intervals(
    targets: npt.ArrayLike,
    predicted: npt.ArrayLike,
    new: npt.ArrayLike,
    classes: int,
    samples: int = 200,
    seed: int = 0,
) -> MixIntervals:
    """`black_box_shift` with percentile intervals: both sets of images are drawn again.

    Args:
        targets: See `black_box_shift`.
        predicted: See `black_box_shift`.
        new: See `black_box_shift`.
        classes: K.
        samples: Bootstrap samples.
        seed: Same seed, same intervals.

    Raises:
        DataError: See `black_box_shift`.
    """
    mix = black_box_shift(targets, predicted, new, classes)
    true, said, asked = (np.asarray(values) for values in (targets, predicted, new))
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(samples):
        rows = generator.integers(0, len(true), len(true))
        others = generator.integers(0, len(asked), len(asked))
        try:
            drawn.append(black_box_shift(true[rows], said[rows], asked[others], classes))
        except DataError:  # a class of the answers is in no sample
            continue
    return _intervals(mix, drawn)


def most_likely_intervals(
    probabilities: npt.ArrayLike,
    prior: npt.ArrayLike,
    reference_images: int,
    samples: int = 100,
    seed: int = 0,
) -> MixIntervals:
    """`most_likely_shift` with percentile intervals: new images and the prior are drawn again.

    Args:
        probabilities: See `most_likely_shift`.
        prior: See `most_likely_shift`.
        reference_images: How many images the prior is the mean of.
        samples: Bootstrap samples.
        seed: Same seed, same intervals.

    Raises:
        DataError: See `most_likely_shift`.
    """
    mix = most_likely_shift(probabilities, prior)
    images, before = len(np.asarray(probabilities)), np.asarray(prior, dtype=np.float64)
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(samples):
        counts = generator.multinomial(images, np.full(images, 1 / images)).astype(np.float64)
        own = generator.multinomial(reference_images, before / before.sum()) + before
        begin = np.maximum(mix, 1e-4) / np.maximum(mix, 1e-4).sum()
        drawn.append(most_likely_shift(probabilities, own / own.sum(), begin, counts))
    return _intervals(mix, drawn)


def _intervals(mix: FloatArray, drawn: list[FloatArray]) -> MixIntervals:
    if not drawn:
        return MixIntervals(mix, np.zeros_like(mix), np.ones_like(mix))
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    return MixIntervals(mix, np.minimum(low, mix), np.maximum(high, mix))


def _mix(name: str, given: npt.ArrayLike, classes: int) -> FloatArray:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != (classes,) or (values < 0).any() or not 0 < values.sum() < np.inf:
        raise DataError(
            f"{name} - not one frequency per class - shape {values.shape} for {classes} classes - "
            "give numbers of at least 0, one above"
        )
    shares: FloatArray = values / values.sum()
    return shares
