"""Prediction sets of conformal_clip (fmegahed/conformal_clip) and ours, of the same probabilities.

The probabilities are zero-shot's; val, up to eight images of a class, sets the thresholds.
"""

from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from adapt.evaluation.uncertainty.conformal import (
    class_thresholds,
    conformal_threshold,
    set_scores,
    true_class_scores,
)
from adapt.models.prediction.conformal import prediction_sets
from bench.few_shot import rows_of
from bench.few_shot_features import Part
from bench.peers.problem import Problem, quiet
from bench.peers.source import their_code

CLONE = "conformal_clip"
LEVELS = (("one", 0.99), ("one of each class", 0.8), ("one of each class", 0.9))
"""Thresholds and levels: zero-shot alone is right more often than nine times in ten."""


class Estimator:
    """What their functions expect: probabilities of features, and the names of the classes."""

    def __init__(self, head: npt.NDArray[np.float64]) -> None:
        self.head, self.classes_ = head, np.arange(len(head)).astype(str)

    def predict_proba(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Softmax of the zero-shot logits, (N, K)."""
        logits = features @ self.head.T
        weights = np.exp(logits - logits.max(1, keepdims=True))
        chances: npt.NDArray[np.float64] = weights / weights.sum(1, keepdims=True)
        return chances


@cache
def load(clone: Path) -> ModuleType:
    """Their module."""
    with their_code([clone], stubs=("seaborn",)) as take:
        return take("conformal_clip.conformal")


def sets_of(names: list[list[str]], classes: int) -> npt.NDArray[np.bool_]:
    """Sets as lists of numbers in words, as a table (N, K) of true and false.

    >>> sets_of([["0"], ["0", "1"]], 2).tolist()
    [[True, False], [True, True]]
    """
    chosen = np.zeros((len(names), classes), dtype=np.bool_)
    for row, own in enumerate(names):
        chosen[row, [int(name) for name in own]] = True
    return chosen


def _arrays(part: Part) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    return part[0].double().numpy(), part[1].numpy()


def rows(clone: Path, problem: Problem) -> list[list[str]]:
    """Coverage in % and mean size of sets, with one threshold and with one of each class."""
    estimator = Estimator(problem.support.zero_shot.double().numpy())
    (val, targets), (test, expected) = _arrays(problem.val), _arrays(problem.test)
    words, code, classes = targets.astype(str).tolist(), load(clone), len(estimator.classes_)
    chances, seen = (estimator.predict_proba(part) for part in (test, val))
    shown = []
    for kind, level in LEVELS:
        single = kind == "one"
        with quiet():
            fit = code._fit_global_threshold if single else code._fit_mondrian_thresholds
            place = code._predict_sets_global if single else code._predict_sets_mondrian
            theirs = sets_of(place(estimator, test, fit(estimator, val, words, 1 - level)), classes)
        thresholds = (
            conformal_threshold(true_class_scores(seen, targets), level)
            if single
            else class_thresholds(seen, targets, level)
        )
        for name, chosen in ((CLONE, theirs), ("**adapt**", prediction_sets(chances, thresholds))):
            scores = set_scores(chosen, expected)
            numbers = [f"{100 * scores['coverage']:.2f}", f"{scores['size']:.2f}"]
            shown.append([problem.name, kind, f"{100 * level:.0f}", name, *numbers])
    return shown


def table(shown: list[list[str]]) -> list[str]:
    """In Markdown."""
    head = ["set", "threshold", "level, %", "program", "coverage, %", "classes in a set"]
    return rows_of(head, shown)
