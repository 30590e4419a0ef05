"""Suspected label errors: images whose out-of-fold probabilities contradict their label.

`confident_joint` and `confident_errors` are exactly confident learning (Northcutt et al.,
arXiv:1911.00068). It doubts too many labels where the features separate the classes badly, so
`suspected`, which makes the findings, is stricter: it computes by Bayes' rule the probability that
another class is the true one, and estimates the noise of the labels for that.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.out_of_fold import label_frequencies
from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError

LEAST = 0.7
"""The score of a suspect is larger. There is a margin above 0.5 because scores are somewhat too
high where classes are broad and images few. Measured by bench/planted_labels.py."""
EVIDENCE = 1000.0
"""Weight of the prior of noise without pattern, in images per class. With less, classes that only
look alike count as mislabelled; with more, a class labelled as another is not detected."""
_TOLERANCE = 1e-6
_SMALLEST = 1e-9
_LEAST_NOISE = 1e-3  # with a prior of 0, no evidence could lead to noise between two classes


def confident_thresholds(probabilities: np.ndarray, targets: np.ndarray) -> FloatArray:
    """Mean probability of each class on the images labelled with it (arXiv:1911.00068, eq. 2).

    Args:
        probabilities: Shape (N, K), out of fold.
        targets: Given class of each image, shape (N,).

    Returns:
        Shape (K,); above 1 for a class without images, so that nothing counts as it.

    >>> confident_thresholds(np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([0, 0])).tolist()
    [0.7, 2.0]
    """
    counts = np.bincount(targets, minlength=probabilities.shape[1])
    own = probabilities[np.arange(len(targets)), targets]
    sums = np.bincount(targets, weights=own, minlength=len(counts))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), 2.0)
    return np.maximum(means, 2 * _TOLERANCE)


def confident_joint(probabilities: np.ndarray, targets: np.ndarray) -> IntArray:
    """Count images by given class and by the class they confidently belong to.

    An image counts for the most probable of the classes whose threshold it reaches, if any
    (Northcutt et al., arXiv:1911.00068, eq. 1). At least one image of each class counts as correct.

    Args:
        probabilities: Shape (N, K), out of fold.
        targets: Given class of each image, shape (N,).

    Returns:
        Shape (K, K); entry [i, j] counts images labelled i that confidently are j.
    """
    classes = probabilities.shape[1]
    guess = _confident_guess(probabilities, targets)
    sure = guess >= 0
    joint = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(joint, (targets[sure], guess[sure]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    return joint


def _confident_guess(probabilities: np.ndarray, targets: np.ndarray) -> IntArray:
    """The class that each image confidently belongs to, -1 for none."""
    sure = probabilities >= confident_thresholds(probabilities, targets) - _TOLERANCE
    guess = np.where(sure, probabilities, -1.0).argmax(axis=1)
    return np.where(sure.any(axis=1), guess, -1)


def calibrated_joint(joint: np.ndarray, targets: np.ndarray) -> FloatArray:
    """The joint in numbers of images: each row sums to the images of its class (eq. 3).

    Args:
        joint: What `confident_joint` counts, shape (K, K).
        targets: Given class of each image, shape (N,).

    Returns:
        Shape (K, K); off the diagonal is the estimated number of label errors.

    >>> calibrated_joint(np.array([[1, 1], [0, 1]]), np.array([0, 0, 0, 0, 1])).tolist()
    [[2.0, 2.0], [0.0, 1.0]]
    """
    counts = np.bincount(targets, minlength=len(joint))
    scaled: FloatArray = joint / joint.sum(axis=1, keepdims=True) * counts[:, None]
    return scaled


def confident_errors(probabilities: np.ndarray, targets: np.ndarray) -> IntArray:
    """Images off the diagonal of the confident joint, least probable label first.

    What cleanlab calls `filter_by="confident_learning"`, ranked by self-confidence. With features
    that classify 70 % correctly it doubts ten labels for each wrong one; `suspected` is the
    stricter rule.

    Args:
        probabilities: Shape (N, K), out of fold.
        targets: Given class of each image, shape (N,).

    Returns:
        Positions, int64.
    """
    rows = np.arange(len(targets))
    guess = _confident_guess(probabilities, targets)
    favoured = probabilities.copy()
    favoured[rows, targets] += _TOLERANCE
    wrong = (guess >= 0) & (guess != targets) & (favoured.argmax(axis=1) != targets)
    rows = np.flatnonzero(wrong)
    return rows[np.argsort(probabilities[rows, targets[rows]], kind="stable")]


class Suspects(NamedTuple):
    """The M labels in doubt, most doubtful first."""

    indices: IntArray
    """Positions of the images, shape (M,)."""
    given: IntArray
    """Class that each is labelled with, shape (M,)."""
    suggested: IntArray
    """Most probable other class, shape (M,)."""
    scores: FloatArray
    """Probability that the suggested class is the true one, shape (M,)."""
    share: float
    """Estimated fraction of wrong labels in the whole set."""


def suspected(probabilities: np.ndarray, targets: np.ndarray, least: float = LEAST) -> Suspects:
    """Labels that are probably wrong while another one is probably right.

    Args:
        probabilities: Shape (N, K), out of fold, rows sum to 1.
        targets: Given class of each image, shape (N,).
        least: The score of a suspect is larger, from 0 to 1.

    Returns:
        The suspects; ties are in the order of the images.
    """
    rows = np.arange(len(targets))
    others = true_classes(probabilities, targets)
    share = 1 - float(others[rows, targets].mean()) if len(rows) else 0.0
    others[rows, targets] = 0
    scores = others.max(axis=1)
    rows = np.flatnonzero(scores > least)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return Suspects(rows, targets[rows], others[rows].argmax(axis=1), scores[rows], share)


def true_classes(
    probabilities: np.ndarray, targets: np.ndarray, evidence: float = EVIDENCE, rounds: int = 100
) -> FloatArray:
    """Probability of each class given the image and its label, which may be wrong.

    A label is drawn from the row of its true class in a noise matrix T. First the fraction s of
    random labels is estimated, which gives `T0 = (1 - s) I + s * frequencies`; then T, by
    expectation maximisation with a Dirichlet prior around T0. T allows noise between pairs of
    classes, as confident learning does, but only where there is evidence for it.

    Args:
        probabilities: Shape (N, K), out of fold, rows sum to 1.
        targets: Given class of each image, shape (N,).
        evidence: Weight of the prior, in images per class.
        rounds: Maximum number of steps of the second estimation.

    Returns:
        Shape (N, K), rows sum to 1.
    """
    classes = probabilities.shape[1]
    frequencies = label_frequencies(targets, classes)
    share = _blind_share(probabilities[np.arange(len(targets)), targets], frequencies[targets])
    share = max(share, _LEAST_NOISE)
    prior = (1 - share) * np.eye(classes) + share * frequencies
    order = np.argsort(targets, kind="stable")
    present, starts = np.unique(targets[order], return_index=True)
    noise, counts, weights = prior, np.zeros((classes, classes)), probabilities
    for _ in range(rounds):
        weights = probabilities * noise.T[targets]
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), _SMALLEST)
        if len(present):
            counts[:, present] = np.add.reduceat(weights[order], starts, axis=0).T
        before = noise
        noise = (counts + evidence * prior) / (counts.sum(axis=1, keepdims=True) + evidence)
        if np.abs(noise - before).max() < _TOLERANCE:
            break
    return np.asarray(weights)


def _blind_share(own: FloatArray, blind: FloatArray) -> float:
    """The most likely fraction of labels that were drawn at random from the frequencies, by EM."""
    share = 0.05
    for _ in range(1000):
        wrong = share * blind / np.maximum((1 - share) * own + share * blind, _SMALLEST)
        before, share = share, float(wrong.mean()) if len(wrong) else 0.0
        if abs(share - before) < 1e-9:
            break
    return share


def label_findings(
    places: Sequence[Place],
    probabilities: np.ndarray,
    class_names: Sequence[str],
    labels_file: str = "",
    remove: bool = False,
) -> list[Finding]:
    """The suspected labels as a finding, most doubtful first.

    Args:
        places: The N images; their labels are the given ones.
        probabilities: From `out_of_fold_probabilities`, shape (N, K).
        class_names: The K class keys, in the order of the columns.
        labels_file: The table that the labels come from; empty for folders.
        remove: Whether `--fix` leaves out the suspects. A suspicion is no proof.

    Returns:
        One finding `suspected_label` with the score of each suspect in `values`, or none. `details`
        holds, in the same order, `suggested` (class keys) and `given_probability`, and for the
        whole set `share` (estimated fraction of wrong labels), `confident_errors` (how many images
        confident learning doubts) and `pairs` (given, suggested, count; most frequent first).

    Raises:
        DataError: When the sizes differ or a label is not among the class names.
    """
    position = {name: index for index, name in enumerate(class_names)}
    unknown = sorted({place.label for place in places} - position.keys())
    if unknown or probabilities.shape != (len(places), len(class_names)):
        given = f"{probabilities.shape} for {len(places)} images, unknown labels {unknown[:5]}"
        raise DataError(
            f"probabilities - do not fit - {given} - give one row per image, one column per class"
        )
    targets = np.array([position[place.label] for place in places], dtype=np.int64)
    suspects = suspected(probabilities, targets)
    if not len(suspects.indices):
        return []
    doubted = [places[index] for index in suspects.indices]
    suggested = [class_names[index] for index in suspects.suggested]
    pairs = Counter(zip((place.label for place in doubted), suggested, strict=True))
    return [
        Finding(
            kind="suspected_label",
            level="warning",
            message=_message(doubted[0], suggested[0], len(doubted), len(places)),
            fix=_fix(doubted[0], suggested[0], labels_file),
            places=tuple((place,) for place in doubted),
            values=tuple(suspects.scores.tolist()),
            remove=tuple(doubted) if remove else (),
            details={
                "suggested": suggested,
                "given_probability": probabilities[suspects.indices, suspects.given].tolist(),
                "share": suspects.share,
                "confident_errors": len(confident_errors(probabilities, targets)),
                "pairs": [[*pair, count] for pair, count in pairs.most_common()],
            },
        )
    ]


def _message(place: Place, suggested: str, count: int, total: int) -> str:
    subject = "1 label looks" if count == 1 else f"{count} labels look"
    return (
        f"{subject} wrong among {total}: first {place.path!r}, labelled {place.label!r}, looks "
        f"like {suggested!r}"
    )


def _fix(place: Place, suggested: str, labels_file: str) -> str:
    where = f"in {labels_file}" if labels_file else "by moving the file to the folder of its class"
    return (
        f"look at them, then correct the label {where} ({place.path}: {place.label} -> "
        f"{suggested}), or leave them out with `--fix FILE --fix-labels` and `data.exclude: FILE`"
    )
