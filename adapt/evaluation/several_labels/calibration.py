"""Probabilities of single classes: one temperature, and an offset for each class."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from adapt.common.arrays import BoolArray, FloatArray
from adapt.evaluation.several_labels.ranking import check_label_scores

STEPS, ENOUGH = 60, 1e-10
SMALLEST_SLOPE = 1e-4
"""Of the inverse temperature, in units of the spread of the logits: where they say nothing."""


@dataclass(frozen=True)
class LabelCalibration:
    """Probability of class k: sigmoid(logit / temperature + offset of k)."""

    temperature: float = 1.0
    """Above 0, for all classes."""
    offsets: tuple[float, ...] = ()
    """One for each class; zeros where empty."""

    def scaled(self, logits: npt.ArrayLike) -> FloatArray:
        """Logits (N, K), float64, whose sigmoids are the probabilities."""
        offsets = np.asarray(self.offsets or 0.0)
        scaled: FloatArray = np.asarray(logits, np.float64) / self.temperature + offsets
        return scaled

    def probabilities(self, logits: npt.ArrayLike) -> FloatArray:
        """Shape (N, K).

        >>> LabelCalibration(2.0, (0.0, 1.0)).probabilities([[0.0, -2.0]]).tolist()
        [[0.5, 0.5]]
        """
        probabilities: FloatArray = expit(self.scaled(logits))
        return probabilities

    def losses(self, logits: npt.ArrayLike, targets: npt.ArrayLike) -> FloatArray:
        """Negative log-likelihood (N,) of the labels of each image in nats, mean over the classes.

        Args:
            logits: Shape (N, K).
            targets: Shape (N, K), 0 or 1.
        """
        scaled = self.scaled(logits)
        losses: FloatArray = (np.logaddexp(0.0, scaled) - np.asarray(targets) * scaled).mean(axis=1)
        return losses


def fit_label_calibration(logits: npt.ArrayLike, targets: npt.ArrayLike) -> LabelCalibration:
    """Temperature and offsets under which labels are most likely.

    Platt's scaling (Platt 1999) with one slope for all classes: few images of a class say where its
    logits lie, and not how steep they are. As there, a class with p images that have it and n that
    have not is told of them with (p + 1) / (p + 2) and 1 / (n + 2), so that no offset is infinite.
    The ranking of the images by each class stays as it is.

    Args:
        logits: Shape (N, K).
        targets: Shape (N, K).

    Raises:
        DataError: When the arrays are malformed.
    """
    checked, marks = check_label_scores(logits, targets)
    spread = float(checked.std(axis=0).mean()) or 1.0
    values, soft = checked / spread, _softened(marks)
    # Newton's method on slope and offsets; the curvature is an arrow, solved by elimination.
    point = np.concatenate([[1.0], np.zeros(values.shape[1])])
    least = _loss(point, values, soft)
    for _ in range(STEPS):
        step = _newton_step(point, values, soft)
        size = 1.0
        while size > 1e-6:
            tried = point - size * step
            tried[0] = max(tried[0], SMALLEST_SLOPE)
            if (loss := _loss(tried, values, soft)) < least:
                break
            size /= 2
        else:
            break
        gained, least, point = least - loss, loss, tried
        if gained < ENOUGH * abs(least):
            break
    return LabelCalibration(spread / float(point[0]), tuple(point[1:].tolist()))


def _softened(marks: BoolArray) -> FloatArray:
    present = marks.sum(axis=0)
    yes = (present + 1) / (present + 2)
    no = 1 / (len(marks) - present + 2)
    softened: FloatArray = np.where(marks, yes, no)
    return softened


def _loss(point: FloatArray, values: FloatArray, soft: FloatArray) -> float:
    scaled = point[0] * values + point[1:]
    return float((np.logaddexp(0.0, scaled) - soft * scaled).sum())


def _newton_step(point: FloatArray, values: FloatArray, soft: FloatArray) -> FloatArray:
    p = expit(point[0] * values + point[1:])
    wrong, bend = p - soft, p * (1 - p) + 1e-12
    slope = np.concatenate([[(wrong * values).sum()], wrong.sum(axis=0)])
    corner, side, diagonal = (bend * values**2).sum(), (bend * values).sum(axis=0), bend.sum(axis=0)
    first = (slope[0] - (side * slope[1:] / diagonal).sum()) / max(
        corner - (side**2 / diagonal).sum(), 1e-12
    )
    step: FloatArray = np.concatenate([[first], (slope[1:] - side * first) / diagonal])
    return step
