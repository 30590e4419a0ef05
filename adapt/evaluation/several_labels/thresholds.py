"""From which probability an image has a label: thresholds by F1 on held-out images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import BoolArray, FloatArray
from adapt.evaluation.several_labels.decisions import f1_scores
from adapt.evaluation.several_labels.ranking import check_label_scores

FOLDS = 5
LEAST = FOLDS
"""Images that must have a class before it gets a threshold of its own."""


@dataclass(frozen=True)
class Thresholds:
    """What was chosen, and what it says of the images that it was chosen on."""

    values: FloatArray
    """Shape (K,), 0 to 1."""
    chosen: BoolArray
    """Shape (N, K): labels given with thresholds from images of other folds."""
    own: BoolArray
    """Shape (K,): classes with a threshold of their own; the others share one."""


def best_threshold(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """The threshold with the highest F1, between two probabilities; of equal ones the highest.

    Args:
        probabilities: Shape (N,).
        targets: Shape (N,), 0 or 1, some 1.

    >>> best_threshold([0.9, 0.6, 0.2], [1, 1, 0])
    0.4
    """
    given, marks = np.asarray(probabilities, np.float64), np.asarray(targets, np.float64)
    order = np.argsort(-given, kind="stable")
    ranked = given[order]
    hits = np.cumsum(marks[order])
    scores = 2 * hits / (np.arange(1, len(given) + 1) + marks.sum())
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(given) - 1)
    last = int(ends[np.argmax(scores[ends])])
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + below) / 2)


def fit_thresholds(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, seed: int = 0
) -> Thresholds:
    """A threshold for each class by F1, where cross-validation says that one for all is not better.

    Images are dealt to five folds, those with a class and those without evenly. A threshold of a
    class is the median of those of the images without each fold; a class that fewer than five
    images have takes the one that is best by F1 over all decisions. Thresholds of single classes
    fit chance where images are few: they are used if F1 macro on the images left out is higher than
    with one for all.

    Args:
        probabilities: Shape (N, K), of images that no weight was trained on.
        targets: Shape (N, K).
        seed: Of the folds.

    Raises:
        DataError: When the arrays are malformed.
    """
    given, marks = check_label_scores(probabilities, targets)
    folds = _folds(marks, seed)
    shared = np.array([_shared(given, marks, folds != fold) for fold in range(FOLDS)])
    by_shared = given >= np.take(shared, folds)
    everyone = _shared(given, marks, np.ones_like(folds, bool))
    own = marks.sum(axis=0) >= LEAST
    values, by_own = np.full(given.shape[1], everyone), by_shared.copy()
    for k in np.flatnonzero(own):
        parts = np.array(
            [
                best_threshold(given[folds[:, k] != fold, k], marks[folds[:, k] != fold, k])
                for fold in range(FOLDS)
            ]
        )
        values[k] = np.median(parts)
        by_own[:, k] = given[:, k] >= parts[folds[:, k]]
    if f1_scores(by_own, marks, 1)["f1_macro"] > f1_scores(by_shared, marks, 1)["f1_macro"]:
        return Thresholds(values, by_own, own)
    return Thresholds(np.full(len(values), everyone), by_shared, np.zeros_like(own))


def _folds(marks: BoolArray, seed: int) -> np.ndarray:
    """Fold of each image for each class, (N, K)."""
    order = np.random.default_rng(seed).permutation(len(marks))
    folds = np.zeros(marks.shape, np.int64)
    for k, column in enumerate(marks.T):
        dealt = np.concatenate([order[column[order]], order[~column[order]]])
        folds[dealt, k] = np.arange(len(dealt)) % FOLDS
    return folds


def _shared(given: FloatArray, marks: BoolArray, where: BoolArray) -> float:
    return best_threshold(given[where], marks[where])
