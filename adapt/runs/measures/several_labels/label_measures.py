"""Scores of a run whose images have several labels: every model on every split."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.arrays import FloatArray
from adapt.evaluation.evaluate import Scores
from adapt.evaluation.several_labels.calibration import LabelCalibration, fit_label_calibration
from adapt.evaluation.several_labels.decisions import class_table
from adapt.evaluation.several_labels.ranking import (
    average_precisions,
    centred_interval,
    resampled_maps,
)
from adapt.evaluation.several_labels.score import label_scores
from adapt.evaluation.several_labels.thresholds import Thresholds, fit_thresholds
from adapt.runs.folder.files import write_csv
from adapt.runs.measures.scores import START, Outputs

CHANCE = "chance"
COLUMNS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class LabelDecision:
    """How a model decides on labels, chosen on val."""

    calibration: LabelCalibration
    thresholds: Thresholds

    @classmethod
    def fit(cls, logits: np.ndarray, targets: np.ndarray, calibrated: bool) -> "LabelDecision":
        """Calibration and thresholds of a model.

        Args:
            logits: Of val, (N, K).
            targets: Of val, (N, K).
            calibrated: Whether probabilities are calibrated.
        """
        own = fit_label_calibration(logits, targets) if calibrated else LabelCalibration()
        return cls(own, fit_thresholds(own.probabilities(logits), targets))

    def chosen(self, split: str, logits: np.ndarray) -> np.ndarray:
        """Labels that are given (N, K): on val those by thresholds that did not see the image."""
        if split == "val":
            return self.thresholds.chosen
        probabilities = self.calibration.probabilities(logits)
        return np.asarray(probabilities >= self.thresholds.values)

    def to_dict(self, class_names: list[str]) -> dict[str, Any]:
        """What `scores.json` holds under `decision`."""
        offsets = self.calibration.offsets or (0.0,) * len(class_names)
        return {
            "temperature": self.calibration.temperature,
            "offsets": dict(zip(class_names, offsets, strict=True)),
            "thresholds": dict(zip(class_names, self.thresholds.values.tolist(), strict=True)),
            "own_thresholds": int(self.thresholds.own.sum()),
        }


def decisions_of(outputs: Outputs, calibrated: bool) -> dict[str, LabelDecision]:
    """The decision of every model, on its own outputs for val."""
    targets = outputs.targets["val"]
    return {
        model: LabelDecision.fit(by_split["val"], targets, calibrated)
        for model, by_split in outputs.logits.items()
    }


def score_labels(outputs: Outputs, decisions: Mapping[str, LabelDecision]) -> Scores:
    """All scores of every model on every split, with the difference of mAP to zero-shot.

    `chance` is the mAP of a ranking by chance, which is the mean frequency of the classes.
    """
    scored = Scores({CHANCE: {split: _chance(own) for split, own in outputs.targets.items()}})
    maps = {
        split: {model: _maps(logits[split], targets) for model, logits in outputs.logits.items()}
        for split, targets in outputs.targets.items()
    }
    for model, by_split in outputs.logits.items():
        scored[model] = {}
        for split, targets in outputs.targets.items():
            logits, decision = by_split[split], decisions[model]
            given = decision.chosen(split, logits)
            row = label_scores(logits, targets, decision.calibration, given, maps[split][model])
            if model != START and len(maps[split][model]):
                gain = maps[split][model] - maps[split][START]
                change = row["mAP"] - scored[START][split]["mAP"]
                bounds = centred_interval(change, gain)
                row["difference"] = {"mAP": {"difference": change, "ci": bounds}}
            scored[model][split] = row
    return scored


def _maps(logits: np.ndarray, targets: np.ndarray) -> FloatArray:
    return resampled_maps(logits, targets) if targets.any() else np.zeros(0)


def _chance(targets: np.ndarray) -> dict[str, Any]:
    frequency = targets.mean(axis=0)
    present = frequency[frequency > 0]
    return {"n": len(targets), "mAP": float(present.mean()) if len(present) else None}


def write_label_table(
    folder: Path, outputs: Outputs, decisions: Mapping[str, LabelDecision]
) -> None:
    """Write `per_class.csv`: average precision, precision, recall and F1 of every class."""
    rows = []
    for split, targets in outputs.targets.items():
        for model, by_split in outputs.logits.items():
            logits, decision = by_split[split], decisions[model]
            precisions = average_precisions(logits, targets)
            table = class_table(decision.chosen(split, logits), targets)
            for k, name in enumerate(outputs.class_names):
                known = None if np.isnan(precisions[k]) else float(precisions[k])
                threshold = float(decision.thresholds.values[k])
                own = [float(table[column][k]) for column in COLUMNS]
                rows.append([model, split, name, int(table["n"][k]), known, *own, threshold])
    header = ["model", "eval", "class", "n", "average_precision", *COLUMNS, "threshold"]
    write_csv(folder / "per_class.csv", header, rows)
