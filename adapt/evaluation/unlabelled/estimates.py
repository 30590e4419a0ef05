"""All estimates of an accuracy without labels side by side, and the one that is shown first."""

from collections.abc import Mapping

import numpy as np

from adapt.common.arrays import FloatArray, IntArray, SingleArray
from adapt.evaluation.unlabelled.agreement import (
    agreement,
    agreement_on_the_line,
    difference_of_agreements,
)
from adapt.evaluation.unlabelled.confidence import (
    average_confidence,
    average_thresholded_confidence,
    difference_of_confidences,
    negative_entropy,
)
from adapt.models.bundle.reference import Reference

TITLES = {
    "average_confidence": "mean confidence (after temperature scaling)",
    "doc": "difference of confidences (DoC)",
    "atc_confidence": "thresholded confidence (ATC)",
    "atc_entropy": "thresholded entropy (ATC)",
    "agreement": "difference of agreements with the start",
    "agreement_line": "agreement on the line",
    "mean": "mean of the first and ATC by confidence",
}
"""The estimators, by name."""
AVERAGED = ("average_confidence", "atc_confidence")
DEFAULT = "average_confidence"
"""The one with the smallest error on our shifts (`docs/benchmarks/monitor.md`)."""
LEAST, SLOPE = 0.10, 0.5
"""Half of the interval beside what chance explains: at least so much, and so much of the fall."""
Answers = Mapping[float, tuple[IntArray, SingleArray]]
"""By alpha: answers (S,) and confidences (S,) of models on the line for some of the images."""


def accuracy_estimates(
    reference: Reference, probabilities: FloatArray, line: Answers | None = None
) -> dict[str, float]:
    """What each estimator says of a model's accuracy on new images.

    Args:
        reference: Held-out images of the model.
        probabilities: Of the model for the new images, shape (N, K), N at least 1.
        line: What models on its line say of a sample of them, at the alphas of the reference; those
            that compare models are left out without it.

    Returns:
        Accuracies from 0 to 1 by the names of `TITLES`.

    Raises:
        DataError: When the arrays are malformed.
    """
    right = reference.predicted == reference.targets
    confidences = probabilities.max(axis=1)
    found = {
        "average_confidence": average_confidence(confidences),
        "doc": difference_of_confidences(reference.confidences, right, confidences),
        "atc_confidence": average_thresholded_confidence(
            reference.confidences, right, confidences.astype(np.float32)
        ),
        "atc_entropy": average_thresholded_confidence(
            -reference.entropies, right, negative_entropy(probabilities).astype(np.float32)
        ),
    }
    found |= _by_agreement(reference, line or {})
    found["mean"] = float(np.mean([found[name] for name in AVERAGED]))
    return {name: found[name] for name in TITLES if name in found}


def _by_agreement(reference: Reference, line: Answers) -> dict[str, float]:
    known = {alpha: row for row, alpha in enumerate(reference.alphas) if alpha in line}
    found: dict[str, float] = {}
    own = reference.alpha
    if own in known and 0.0 in known and own > 0:
        before = agreement(*(reference.line_answers[known[alpha]] for alpha in (0.0, own)))
        after = agreement(*(line[alpha][0] for alpha in (0.0, own)))
        found["agreement"] = difference_of_agreements(reference.accuracy, before, after)
    if own in known and len(known) > 2:
        rows = list(known.values())
        before_all = reference.line_answers[rows]
        accuracies = (before_all == reference.targets).mean(axis=1)
        after_all = np.stack([line[alpha][0] for alpha in known])
        estimated = agreement_on_the_line(before_all, accuracies, after_all)
        found["agreement_line"] = float(estimated[list(known).index(own)])
    return found


def estimate_interval(
    estimate: float, accuracy: float, reference_images: int, images: int
) -> list[float]:
    """An interval around an estimated accuracy, from what its errors were on our shifts.

    Chance in the reference and in the new images, and beside it an error of the estimator that
    grows with how far the accuracy has fallen. How often it covers is measured in
    `docs/benchmarks/monitor.md`; nothing guarantees it on shifts of another kind.

    Args:
        estimate: From 0 to 1.
        accuracy: On the reference images.
        reference_images: How many these are.
        images: How many new ones there are.

    >>> [round(end, 3) for end in estimate_interval(0.8, 0.9, 400, 400)]
    [0.642, 0.958]
    """
    spread = sum(
        max(share * (1 - share), 0.01) / count
        for share, count in ((estimate, images), (accuracy, reference_images))
    )
    beside = LEAST + SLOPE * abs(accuracy - estimate)
    half = float(np.sqrt(1.96**2 * spread + beside**2))
    return [max(0.0, estimate - half), min(1.0, estimate + half)]


def accuracies_along(reference: Reference, line: Answers) -> dict[float, float]:
    """The estimated accuracy at each point of the line: the mean of DoC and ATC by confidence.

    Args:
        reference: Held-out images of the model.
        line: What models on its line say of some of the new images.

    Returns:
        By alpha, ascending.

    Raises:
        DataError: When the arrays are malformed.
    """
    estimated = {}
    for row, alpha in enumerate(reference.alphas):
        if alpha in line:
            right = reference.line_answers[row] == reference.targets
            before, after = reference.line_confidences[row], line[alpha][1]
            both = (
                difference_of_confidences(before, right, after),
                average_thresholded_confidence(before, right, after),
            )
            estimated[alpha] = float(np.mean(both))
    return estimated
