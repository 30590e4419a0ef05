"""Scores of a run: every model on every split, and the tables made of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt.checks.findings.copy_findings import leak_free_accuracy
from adapt.common.files import write_json
from adapt.data.sources.image_list import ImageList
from adapt.evaluation.evaluate import Scores, metrics, softmax
from adapt.evaluation.metrics.calibration import reliability_bins
from adapt.evaluation.metrics.intervals import WILSON, proportion_interval
from adapt.evaluation.metrics.masking import mask_absent
from adapt.evaluation.metrics.per_class import confusion_matrix, per_class_table
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData
from adapt.runs.folder.files import thumbnails, write_csv

WORST_MISTAKES = 24
_RATIOS = ("recall", "precision", "f1")
START, ADAPTED, PROBE = "zero_shot", "adapted", "linear_probe"
ENSEMBLE, MIXED_PROBE = "ensemble", "mixed_probe"
"""Names of the models in all files. One of the last two is in the bundle, whatever its alpha."""
OUTPUTS = "output_ensemble"
"""The reference that averages outputs at the shipped alpha: it runs both models on each image."""


@dataclass
class Outputs:
    """The logits of every model on every split: computed once, read by all that follows."""

    class_names: list[str]
    targets: dict[str, np.ndarray]
    """True class numbers (N,) of each split; `val` first."""
    logits: dict[str, dict[str, np.ndarray]]
    """By model and split: logits (N, K)."""
    temperature: dict[str, float]
    """By model."""
    interval: str = WILSON
    """Of every proportion; see `proportion_interval`."""
    shipped: str = ENSEMBLE
    """The model in the bundle."""

    def masked(self, model: str, split: str) -> np.ndarray:
        """Logits (N, K) as they are scored: on an eval, without the classes that it lacks."""
        logits = self.logits[model][split]
        return logits if split == "val" else mask_absent(logits, self.targets[split]).logits

    def probabilities(self, model: str, split: str, calibrated: bool = True) -> np.ndarray:
        """Probabilities (N, K)."""
        temperature = self.temperature[model] if calibrated else 1.0
        return softmax(self.masked(model, split), temperature)


def score_outputs(outputs: Outputs, data: RunData) -> Scores:
    """All metrics of every model on every split, with the difference to zero-shot."""
    majority = {
        name: _majority(data, targets, outputs.interval)
        for name, targets in outputs.targets.items()
    }
    scored = Scores(majority=majority)
    for model in outputs.logits:
        scored[model] = {
            split: metrics(
                outputs.masked(model, split),
                targets,
                outputs.temperature[model],
                outputs.masked(START, split) if model != START else None,
                outputs.interval,
            )
            for split, targets in outputs.targets.items()
        }
    return scored


def leak_free_scores(outputs: Outputs, leaked: Mapping[str, list[int]]) -> dict[str, Any]:
    """Accuracy of the shipped model with and without the test images that leak.

    Args:
        outputs: Of the run.
        leaked: By eval, positions of its images that have a copy in train or val.

    Returns:
        By eval, see `leak_free_accuracy`.
    """
    return {
        name: leak_free_accuracy(
            outputs.masked(outputs.shipped, name).argmax(1) == outputs.targets[name], rows
        )
        for name, rows in leaked.items()
    }


def write_tables(folder: Path, outputs: Outputs, evals: dict[str, ImageList]) -> None:
    """Write scores per class, confusion, reliability and the worst mistakes."""
    names, rows, confusion, mistakes = outputs.class_names, [], [], []
    reliability: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    for split, targets in outputs.targets.items():
        for model in outputs.logits:
            table = per_class_table(
                outputs.probabilities(model, split), targets, names, outputs.interval
            )
            rows += [[model, split, row["name"], row["n"], *_ratios(row)] for row in table]
        probabilities = outputs.probabilities(outputs.shipped, split)
        counts = confusion_matrix(probabilities, targets)
        confusion += [
            [split, names[i], names[j], counts[i, j]]
            for i, j in zip(*counts.nonzero(), strict=True)
        ]
        plain = outputs.probabilities(outputs.shipped, split, calibrated=False)
        reliability["before"][split] = reliability_bins(plain, targets)
        reliability["after"][split] = reliability_bins(probabilities, targets)
        if split in evals:
            mistakes += _mistakes(split, evals[split], probabilities, targets, names)
    header = ["model", "eval", "class", "n", *_RATIOS]
    header += [f"{name}_{end}" for name in _RATIOS for end in ("low", "high")]
    write_csv(folder / "per_class.csv", header, rows)
    write_csv(folder / "confusion.csv", ["eval", "true", "predicted", "count"], confusion)
    write_json(folder / "reliability.json", reliability)
    worst = sorted(mistakes, key=lambda mistake: mistake["probability_of_true"])[:WORST_MISTAKES]
    thumbnails(folder, worst, evals)
    write_json(folder / "mistakes.json", worst)


def _ratios(row: Mapping[str, Any]) -> list[float | None]:
    """The ratios of a class, then the ends of their intervals."""
    ends = [end for name in _RATIOS for end in row[f"{name}_ci"] or (None, None)]
    return [row[name] for name in _RATIOS] + ends


def changed_parameters(start: Classifier, tuned: Classifier) -> dict[str, Any]:
    """How many parameters of the model the method changed."""
    before, after = start.state_dict(), tuned.state_dict()
    changed = sum(
        value.numel()
        for name, value in after.items()
        if name not in before or not np.array_equal(value.cpu().numpy(), before[name].cpu().numpy())
    )
    total = sum(value.numel() for value in after.values())
    return {"parameters": changed, "total": total, "share": changed / total}


def data_card(data: RunData, outputs: Outputs) -> dict[str, Any]:
    """Number of images and classes of every split."""
    fit, evals = data.fit, {}
    for name, images in data.evals.items():
        spec = data.specs[name]
        evals[name] = {
            "n": len(images),
            "per_class": images.counts(),
            "of": spec.of,
            "shift": spec.shift,
            "severity": spec.severity,
            "kind": "synthetic" if spec.shift else "natural",
        }
        present = len(images.class_names)
        if not images.several_labels and 1 < present < len(fit.class_names):
            evals[name]["classes"] = {"present": present, "of": len(fit.class_names)}
    targets = outputs.targets["val"]
    if targets.ndim == 2:
        sums = targets.sum(axis=0).astype(int).tolist()
        held = Counter(dict(zip(outputs.class_names, sums, strict=True)))
    else:
        held = Counter(outputs.class_names[number] for number in targets)
    return {
        "train": {"n": len(fit.train), "per_class": fit.train.counts()},
        "val": {"n": len(targets), "per_class": dict(sorted(held.items()))},
        "evals": evals,
    }


def _majority(data: RunData, targets: np.ndarray, interval: str) -> dict[str, Any]:
    """Scores of always predicting the most frequent training class."""
    counts = data.fit.train.counts()
    most = data.fit.class_names.index(max(counts, key=lambda key: counts[key]))
    present = np.unique(targets)
    balanced = float(most in present) / len(present) if len(present) > 1 else None
    hits, images = int((targets == most).sum()), len(targets)
    return {
        "n": images,
        "accuracy": hits / images if images else None,
        "accuracy_ci": proportion_interval(hits, images, interval),
        "balanced_accuracy": balanced,
    }


def _mistakes(
    split: str, images: ImageList, probabilities: np.ndarray, targets: np.ndarray, names: list[str]
) -> list[dict[str, Any]]:
    predicted = probabilities.argmax(1)
    wrong = np.flatnonzero(predicted != targets)
    of_true = probabilities[np.arange(len(targets)), targets]
    worst = wrong[np.argsort(of_true[wrong], kind="stable")][:WORST_MISTAKES]
    return [
        {
            "path": images.relative(int(i)),
            "eval": split,
            "true": names[targets[i]],
            "predicted": names[predicted[i]],
            "confidence": float(probabilities[i].max()),
            "probability_of_true": float(of_true[i]),
            "index": int(i),
        }
        for i in worst
    ]


def id_eval(data: RunData) -> str | None:
    """The in-distribution eval: the first that is not a corruption of another."""
    natural = [name for name, spec in data.specs.items() if spec.of is None]
    return natural[0] if natural else None
