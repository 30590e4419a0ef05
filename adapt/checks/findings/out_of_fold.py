"""Class probabilities of each image from models that were fitted without it.

A linear probe, the neighbours and the zero-shot head are blended with weights that explain the
labels best.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from adapt.common.arrays import FloatArray
from adapt.data.splits.stratified import sample_fraction, stratified_folds
from adapt.errors import DataError
from adapt.training.logistic import Logistic, Solution, climb

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Values of C; the one with the smallest log loss on the first fold is used."""
MOST_SEEN = 20_000
"""Maximum number of images to fit a probe on and to look up neighbours among."""
TOLERANCE = 1e-2
"""A probe stops when a step promises to lower the loss by less than this fraction."""
_WIDTH = 0.3  # of the neighbours' kernel, in standard deviations of the similarities
_FLOOR = 1e-9
_BLOCK = 512


def out_of_fold_probabilities(
    features: np.ndarray,
    targets: np.ndarray,
    classes: int,
    folds: int,
    seed: int,
    anchor: np.ndarray | None = None,
    groups: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
) -> FloatArray:
    """Class probabilities of each image, without using its own label or its copies.

    The scores of a probe fitted on the other folds, of neighbours outside the group of the image,
    and of the zero-shot head are added with the weights that explain the labels best, assuming that
    some labels are wrong. An image whose class the probe never saw keeps its label with probability
    1.

    Args:
        features: Unit image features, shape (N, D).
        targets: Class of each image, shape (N,).
        classes: Number of classes K.
        folds: Number of folds, 2 or more, and at most the number of images (or groups).
        seed: Decides the folds.
        anchor: The zero-shot head's weights, shape (K, D), logit scale included; None without.
        groups: Group of each image, such as its set of near copies; None for one group per image.
        keys: A stable name of each image, such as a hash of its content; None for positions.

    Returns:
        Shape (N, K), rows sum to 1.

    Raises:
        DataError: When the sizes differ.
    """
    x, y = np.asarray(features, np.float32), np.asarray(targets, np.int64)
    if x.ndim != 2 or y.shape != x.shape[:1] or (len(y) and y.max() >= classes):
        given = f"features {x.shape}, targets {y.shape} for {classes} classes"
        raise DataError(f"features - sizes differ - {given} - give one target below K per row")
    most = len(set(groups)) if groups is not None else len(y)
    names = [str(target) for target in y.tolist()]
    if most < 2:
        return np.eye(classes)[y]
    fold = stratified_folds(names, min(folds, most), seed, groups, keys)
    seen = _some(names, seed, keys)
    probe, unseen = probe_scores(x, y, classes, fold, seen)
    experts = [probe, neighbour_scores(x, y, classes, groups, seen)]
    if anchor is not None:
        experts.append((x @ np.asarray(anchor, np.float32).T).astype(np.float64))
    probabilities = blend(experts, y)
    probabilities[unseen] = np.eye(classes)[y[unseen]]
    return probabilities


def _some(names: list[str], seed: int, keys: Sequence[str] | None) -> npt.NDArray[np.bool_]:
    """Which images may be fitted on: all of them, or a stratified sample of `MOST_SEEN`."""
    seen = np.ones(len(names), dtype=bool)
    if len(names) > MOST_SEEN:
        seen[:] = False
        seen[sample_fraction(names, MOST_SEEN / len(names), seed, keys)] = True
    return seen


def probe_scores(
    features: np.ndarray,
    targets: np.ndarray,
    classes: int,
    fold: np.ndarray,
    seen: np.ndarray | None = None,
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Logits of each image from a `fast_probe` that was fitted on the other folds.

    Args:
        features: Shape (N, D), float32.
        targets: Class of each image, shape (N,).
        classes: Number of classes K.
        fold: Fold of each image, shape (N,).
        seen: Which images a probe may be fitted on, shape (N,); all if None.

    Returns:
        Logits (N, K), and for each image whether its probe had no image of its class.
    """
    x, y, known = features, targets, np.ones(len(fold), bool) if seen is None else seen
    scores = np.empty((len(y), classes))
    unseen = np.zeros(len(y), dtype=bool)
    strength = 0.0
    for number in range(int(fold.max()) + 1):
        held, rest = fold == number, (fold != number) & known
        strength = strength or _choose_strength(x, y, classes, held, rest)
        weight, bias = fast_probe(x[rest], y[rest], classes, strength)
        scores[held] = x[held] @ weight.T + bias
        unseen |= held & ~np.isin(y, y[rest])
    return scores, unseen


def _choose_strength(
    x: np.ndarray, y: np.ndarray, classes: int, held: np.ndarray, rest: np.ndarray
) -> float:
    """The C with the smallest held-out log loss."""
    problem, rows = Logistic(x[rest], y[rest], classes), np.arange(held.sum())

    def likelihood(strength: float) -> float:
        weight, bias = problem.fit(strength, TOLERANCE)
        return float(log_softmax(x[held] @ weight.T + bias, axis=1)[rows, y[held]].mean())

    return climb(likelihood, STRENGTHS)


def fast_probe(
    features: np.ndarray, targets: np.ndarray, classes: int, strength: float
) -> Solution:
    """A logistic regression near its minimum, in single precision.

    Args:
        features: Shape (N, D), float32.
        targets: Class of each image, shape (N,).
        classes: Number of classes K.
        strength: scikit-learn's C.

    Returns:
        Weight (K, D) and bias (K,), float32.
    """
    problem = Logistic(features, targets, classes)
    return problem.fit(strength, TOLERANCE)


def neighbour_scores(
    features: np.ndarray,
    targets: np.ndarray,
    classes: int,
    groups: Sequence[str] | None = None,
    seen: np.ndarray | None = None,
) -> FloatArray:
    """Log density of each class around each image, the image and its group left out.

    A kernel density on the sphere whose width follows the spread of the similarities.

    Args:
        features: Unit features, shape (N, D).
        targets: Class of each image, shape (N,).
        classes: Number of classes K.
        groups: Group of each image; None for one group per image.
        seen: Which images count as neighbours, shape (N,); all if None.

    Returns:
        Shape (N, K), up to a constant per row.
    """
    own = np.arange(len(features)) if groups is None else np.unique(groups, return_inverse=True)[1]
    known = np.flatnonzero(seen) if seen is not None else np.arange(len(features))
    others, votes = features[known].T, np.eye(classes, dtype=np.float32)[targets[known]]
    every = max(1, len(features) // _BLOCK)
    width = _WIDTH * float((features[::every] @ others).std()) + _FLOOR
    scores = np.empty((len(features), classes))
    for start in range(0, len(features), _BLOCK):
        part = slice(start, start + _BLOCK)
        near = features[part] @ others
        near[own[part, None] == own[None, known]] = -np.inf
        top = near.max(axis=1, keepdims=True)
        weights = np.exp((near - np.where(np.isfinite(top), top, 0)) / np.float32(width))
        scores[part] = np.log(weights @ votes + _FLOOR)
    return scores


def blend(experts: Sequence[FloatArray], targets: np.ndarray) -> FloatArray:
    """Softmax of the weighted sum of scores with the most likely weights.

    The likelihood of a label is `(1 - s) * softmax + s * frequency`. The fraction s of random
    labels is estimated together with the weights, so that wrong labels do not flatten the
    probabilities.

    Args:
        experts: Scores such as logits, each of shape (N, K).
        targets: Given class of each image, shape (N,).

    Returns:
        Probabilities (N, K). An expert that does not help has weight 0.
    """
    rows, blind = np.arange(len(targets)), label_frequencies(targets, experts[0].shape[1])[targets]
    own = [expert[rows, targets] for expert in experts]

    def mixed(weights: FloatArray) -> FloatArray:
        total = weights[0] * experts[0]
        for weight, expert in zip(weights[1:], experts[1:], strict=True):
            total += weight * expert
        return np.asarray(softmax(total, axis=1))

    def loss(values: FloatArray) -> tuple[float, FloatArray]:
        p, share = mixed(values[:-1]), values[-1]
        chosen = p[rows, targets]
        likelihood = (1 - share) * chosen + share * blind
        trust = (1 - share) * chosen / likelihood
        slopes = [
            -(trust * (mine - np.einsum("nk,nk->n", p, expert))).mean()
            for mine, expert in zip(own, experts, strict=True)
        ]
        slopes.append(-((blind - chosen) / likelihood).mean())
        return -float(np.log(likelihood).mean()), np.array(slopes)

    start = np.append(np.full(len(experts), 1 / len(experts)), 0.05)
    bounds = [(0.0, 10.0)] * len(experts) + [(1e-4, 0.5)]
    return mixed(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x[:-1])


def label_frequencies(targets: np.ndarray, classes: int) -> FloatArray:
    """Fraction of the labels that each class has, shape (K,); zeros without labels.

    >>> label_frequencies(np.array([0, 0, 1, 0]), 3).tolist()
    [0.75, 0.25, 0.0]
    """
    return np.bincount(targets, minlength=classes) / max(len(targets), 1)
