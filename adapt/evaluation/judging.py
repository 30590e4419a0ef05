"""How answers on held-out images are judged: by accuracy, or by mAP where there are several labels.

Everything that is chosen on held-out images - alpha, what ships, the temperature - asks a `Judge`,
which is made from the targets.
"""

from typing import Any

import numpy as np
from scipy.special import log_softmax

from adapt.common.arrays import FloatArray
from adapt.evaluation.metrics.bootstrap import PairedDifference, paired_difference
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.evaluation.several_labels.calibration import LabelCalibration, fit_label_calibration
from adapt.evaluation.several_labels.ranking import (
    average_precisions,
    centred_interval,
    mean_average_precision,
    resampled_maps,
)

SMALLEST_CLASS = 10
"""Held-out images below which a class is not tested: a few are no evidence."""
DRAWS = 300
"""Bootstrap samples of a choice: every point of a line is compared."""
LEVEL = 2.0
"""Standard errors within which two accuracies are level."""


class Judge:
    """Images of one label each, judged by accuracy.

    Args:
        targets: True class numbers, shape (N,).

    >>> Judge(np.array([0, 1])).quality(np.eye(2))
    1.0
    """

    measure = "accuracy"
    """What `quality` and `difference` are of."""

    def __init__(self, targets: np.ndarray) -> None:
        self.targets = targets

    def right(self, logits: np.ndarray) -> np.ndarray:
        """Which answers are right, shape (N,)."""
        return np.asarray(logits.argmax(1) == self.targets)

    def quality(self, logits: np.ndarray) -> float:
        """From 0 to 1, higher is better."""
        return float(self.right(logits).mean())

    def difference(self, logits: np.ndarray, other: np.ndarray) -> PairedDifference:
        """Quality of one model minus that of another on the same images, with a 95 % interval."""
        return paired_difference(self.right(logits), self.right(other))

    def level(self, logits: np.ndarray, other: np.ndarray) -> bool:
        """Whether the images do not tell two models apart: two standard errors, image by image."""
        lost = self.right(logits).astype(float) - self.right(other)
        return bool(abs(lost.mean()) <= LEVEL * lost.std() / np.sqrt(len(lost)))

    def calibrate(self, logits: np.ndarray) -> LabelCalibration:
        """The calibration under which the images are most likely: a temperature."""
        return LabelCalibration(fit_temperature(logits, self.targets))

    def losses(self, logits: np.ndarray, calibration: LabelCalibration) -> np.ndarray:
        """Negative log-likelihoods (N,) in nats."""
        scaled = log_softmax(logits / calibration.temperature, axis=1)
        losses: np.ndarray = -scaled[np.arange(len(self.targets)), self.targets]
        return losses

    def worse_classes(
        self, logits: np.ndarray, before: np.ndarray, class_names: list[str]
    ) -> list[dict[str, Any]]:
        """Classes with ten images or more that are worse than before by more than luck explains.

        Args:
            logits: Shape (N, K).
            before: Those to compare with.
            class_names: The K classes.

        Returns:
            `class`, `n`, `difference` and `ci` of each, the worst first.
        """
        right, earlier, worse = self.right(logits), self.right(before), []
        for number in np.unique(self.targets):
            rows = self.targets == number
            if rows.sum() < SMALLEST_CLASS:
                continue
            change = paired_difference(right[rows], earlier[rows])
            if change["ci"] is not None and change["ci"][1] < 0:
                worse.append({"class": class_names[number], "n": int(rows.sum()), **change})
        return sorted(worse, key=lambda row: (row["difference"], row["class"]))


class LabelsJudge(Judge):
    """Images of several labels, judged by mAP and by the likelihood of all yes and no answers.

    Args:
        targets: Shape (N, K), 0 or 1.
    """

    measure = "mAP"

    def __init__(self, targets: np.ndarray) -> None:
        super().__init__(targets)
        self._maps: dict[bytes, FloatArray] = {}

    def right(self, logits: np.ndarray) -> np.ndarray:
        """The fraction of right yes and no answers of each image, shape (N,)."""
        return np.asarray(((logits > 0) == (self.targets > 0)).mean(axis=1))

    def quality(self, logits: np.ndarray) -> float:
        """The mean average precision, 0 to 1."""
        return mean_average_precision(logits, self.targets)

    def difference(self, logits: np.ndarray, other: np.ndarray) -> PairedDifference:
        """Difference of mAP, with a bootstrap interval over images."""
        gain = self._resampled(logits) - self._resampled(other)
        change = self.quality(logits) - self.quality(other)
        return PairedDifference(difference=change, ci=centred_interval(change, gain))

    def level(self, logits: np.ndarray, other: np.ndarray) -> bool:
        """Whether the difference of mAP is at most two standard errors of the bootstrap."""
        gain = self._resampled(logits) - self._resampled(other)
        change = self.quality(logits) - self.quality(other)
        return bool(abs(change) <= LEVEL * gain.std())

    def calibrate(self, logits: np.ndarray) -> LabelCalibration:
        """Temperature and offsets under which the labels are most likely."""
        return fit_label_calibration(logits, self.targets)

    def losses(self, logits: np.ndarray, calibration: LabelCalibration) -> np.ndarray:
        """Negative log-likelihoods (N,) of all labels of an image, in nats per class."""
        return calibration.losses(logits, self.targets)

    def worse_classes(
        self, logits: np.ndarray, before: np.ndarray, class_names: list[str]
    ) -> list[dict[str, Any]]:
        """Classes whose average precision fell by more than luck explains; see `Judge`."""
        worse = []
        for k in np.flatnonzero(self.targets.sum(axis=0) >= SMALLEST_CLASS):
            column = self.targets[:, [k]]
            pair = [resampled_maps(part[:, [k]], column, DRAWS) for part in (logits, before)]
            values = [average_precisions(part[:, [k]], column)[0] for part in (logits, before)]
            change = float(values[0] - values[1])
            bounds = centred_interval(change, pair[0] - pair[1])
            if bounds[1] < 0:
                row = {"class": class_names[k], "n": int(column.sum())}
                worse.append({**row, "difference": change, "ci": bounds})
        return sorted(worse, key=lambda row: (row["difference"], row["class"]))

    def _resampled(self, logits: np.ndarray) -> FloatArray:
        key = logits.tobytes()
        if key not in self._maps:
            self._maps[key] = resampled_maps(logits, self.targets, DRAWS)
        return self._maps[key]


def judge_of(targets: np.ndarray) -> Judge:
    """Who judges answers on images with these targets.

    >>> judge_of(np.array([0, 1])).measure, judge_of(np.eye(2)).measure
    ('accuracy', 'mAP')
    """
    return LabelsJudge(targets) if targets.ndim == 2 else Judge(targets)
