"""The uncertainty of a run: `uncertainty.json`, and the thresholds in the bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.arrays import FloatArray
from adapt.common.files import write_json
from adapt.errors import DataError, did_you_mean
from adapt.evaluation.evaluate import Split, softmax
from adapt.evaluation.metrics.calibration import expected_calibration_error
from adapt.evaluation.metrics.validation import check_some
from adapt.evaluation.uncertainty.conformal import (
    class_thresholds,
    conformal_threshold,
    set_scores,
    true_class_scores,
    uncovered_classes,
)
from adapt.evaluation.uncertainty.selective import (
    answered_scores,
    answering_threshold,
    risk_coverage,
)
from adapt.evaluation.uncertainty.unknown import KEPT, Detection, detection, knn_scores
from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty, energy, prediction_sets
from adapt.recipe.data import RunData
from adapt.recipe.schema import Recipe
from adapt.runs.measures.scores import SHIPPED, Outputs, id_eval
from adapt.training.features.encode import image_features, predict_logits, prepare


@dataclass(frozen=True)
class Answers:
    """Logits of the shipped model on one labelled set, over all of its classes."""

    logits: np.ndarray
    """Shape (N, K)."""
    targets: np.ndarray
    """True class numbers, shape (N,)."""


@dataclass(frozen=True)
class Unknowns:
    """Images that belong to none of the classes, and what to compare them with.

    The kNN detector is scored when all three kinds of features are given. It is not stored in the
    bundle, which holds no training features.
    """

    name: str
    """Name of the set of unknown images."""
    logits: np.ndarray
    """Shape (N, K)."""
    against: str
    """Name of the eval with known images."""
    detector: str = "energy"
    """The detector that the bundle gets, `energy` or `msp`; fixed beforehand, as choosing it on an
    eval would be cheating. `msp` uses the confidence, as abstention already does."""
    features: np.ndarray | None = None
    """Image features (N, D) of the unknowns."""
    known_features: np.ndarray | None = None
    """Image features of the eval `against`, in its order."""
    train_features: np.ndarray | None = None
    """Image features of the training images."""


def uncertainty_of(
    val: Answers,
    evals: dict[str, Answers],
    class_names: list[str],
    temperature: float,
    coverage: float = 0.9,
    level: float = 0.9,
    unknowns: Unknowns | None = None,
) -> tuple[dict[str, Any], Uncertainty]:
    """Choose every threshold on val and measure its effect on the evals.

    Alpha and the temperature were chosen on val too, so the thresholds are slightly optimistic; and
    they hold for data like val, not under shift. Conformal thresholds are stored only when val has
    enough images for the level (per class: of every class), because otherwise the sets would hold a
    class regardless of the image. The detector of unknown images is stored with the threshold that
    keeps 95 % of val.

    Args:
        val: Of the shipped model.
        evals: The same by name; sets without images are left out.
        class_names: The K classes.
        temperature: Of the shipped model.
        coverage: The fraction of val to answer.
        level: The fraction of images whose true class should be in their conformal set.
        unknowns: Images of no known class, if there are any.

    Returns:
        The content of `uncertainty.json`, and what to store in the bundle.

    Raises:
        DataError: When val is empty, a fraction is out of range, or the unknowns name no eval.
    """
    evals = {name: part for name, part in evals.items() if len(part.targets)}
    calibration, targets = check_some(softmax(val.logits, temperature), val.targets)
    probabilities = {name: softmax(part.logits, temperature) for name, part in evals.items()}
    below = answering_threshold(calibration.max(axis=1), coverage)
    overall = conformal_threshold(true_class_scores(calibration, targets), level)
    per_class = class_thresholds(calibration, targets, level)
    uncovered = uncovered_classes(per_class, class_names)
    content = {
        "format": 1,
        "temperature": float(temperature),
        "ece": _calibration_errors(evals, probabilities),
        **_selective(evals, probabilities, coverage, below),
        "conformal": {
            "level": float(level),
            "global": {"evals": _set_scores(evals, probabilities, overall)},
            "per_class": {
                "evals": _set_scores(evals, probabilities, per_class),
                "uncovered": uncovered,
            },
        },
        "unknown": None if unknowns is None else _unknown(unknowns, evals, temperature),
    }
    enough = bool(np.isfinite(overall))
    stored = Uncertainty(
        abstain_below=below,
        abstain_coverage=coverage,
        conformal_level=level if enough else None,
        conformal_threshold=overall if enough else None,
        conformal_per_class=None if uncovered else tuple(per_class),
        unknown_detector=None if unknowns is None else unknowns.detector,
        unknown_threshold=None if unknowns is None else _keeping(unknowns, val, temperature),
    )
    return content, stored


def _calibration_errors(
    evals: dict[str, Answers], probabilities: dict[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    return {
        name: {
            "before": expected_calibration_error(softmax(one.logits), one.targets),
            "after": expected_calibration_error(probabilities[name], one.targets),
        }
        for name, one in evals.items()
    }


def _selective(
    evals: dict[str, Answers], probabilities: dict[str, np.ndarray], coverage: float, below: float
) -> dict[str, Any]:
    curves, answered = {}, {}
    for name, one in evals.items():
        confidences = probabilities[name].max(axis=1)
        right = probabilities[name].argmax(axis=1) == one.targets
        curves[name] = risk_coverage(confidences, right)
        answered[name] = answered_scores(confidences, right, below)
    abstention = {"coverage": float(coverage), "threshold": below, "evals": answered}
    return {"risk_coverage": curves, "abstention": abstention}


def _set_scores(
    evals: dict[str, Answers], probabilities: dict[str, np.ndarray], thresholds: float | FloatArray
) -> dict[str, Any]:
    return {
        name: set_scores(prediction_sets(probabilities[name], thresholds), one.targets)
        for name, one in evals.items()
    }


def _detector_scores(logits: np.ndarray, temperature: float) -> dict[str, FloatArray]:
    return {
        "msp": softmax(logits, temperature).max(axis=1),
        "energy": energy(logits, temperature),
    }


def _keeping(unknowns: Unknowns, val: Answers, temperature: float) -> float:
    scores = _detector_scores(val.logits, temperature)
    if unknowns.detector not in scores:
        raise DataError(
            f"detector - cannot be stored - {unknowns.detector!r} - choose one of "
            f"{', '.join(scores)}"
        )
    return answering_threshold(scores[unknowns.detector], KEPT)


def _unknown(unknowns: Unknowns, evals: dict[str, Answers], temperature: float) -> dict[str, Any]:
    if unknowns.against not in evals:
        hint = did_you_mean(unknowns.against, evals)
        raise DataError(
            f"{unknowns.name} - nothing to compare with - {unknowns.against!r}{hint} - name one of "
            f"{', '.join(evals)}"
        )
    known = _detector_scores(evals[unknowns.against].logits, temperature)
    unknown = _detector_scores(unknowns.logits, temperature)
    detectors: dict[str, Detection] = {
        name: detection(known[name], unknown[name]) for name in known
    }
    train, tested, strange = (
        unknowns.train_features,
        unknowns.known_features,
        unknowns.features,
    )
    if train is not None and tested is not None and strange is not None:
        detectors["knn"] = detection(knn_scores(tested, train), knn_scores(strange, train))
    return {
        "eval": unknowns.name,
        "n": len(unknowns.logits),
        "against": unknowns.against,
        "detectors": detectors,
    }


def write_uncertainty(
    folder: Path,
    recipe: Recipe,
    data: RunData,
    shipped: Classifier,
    outputs: Outputs,
    splits: Sequence[Split],
) -> Uncertainty:
    """Write `uncertainty.json`; returns the thresholds that the bundle gets."""
    answers = {
        name: Answers(outputs.logits[SHIPPED][name], targets)
        for name, targets in outputs.targets.items()
    }
    val = answers.pop("val")
    section, unknowns = recipe.uncertainty, None
    if data.unknown is not None and (known := id_eval(data)) is not None:
        unknowns = _unknowns(data, shipped, recipe, next(s for s in splits if s.name == known))
    content, stored = uncertainty_of(
        val,
        answers,
        outputs.class_names,
        shipped.temperature,
        section.coverage,
        section.level,
        unknowns,
    )
    write_json(folder / "uncertainty.json", content)
    return stored


def _unknowns(data: RunData, shipped: Classifier, recipe: Recipe, known: Split) -> Unknowns:
    runtime, backbone = recipe.runtime, shipped.backbone
    assert data.unknown is not None
    unknown = prepare(data.unknown, backbone.preprocessing, runtime)
    train = prepare(data.fit.train, backbone.preprocessing, runtime)
    return Unknowns(
        "unknown",
        predict_logits(shipped, unknown, runtime),
        known.name,
        features=image_features(backbone, unknown, runtime).numpy(),
        known_features=image_features(backbone, known.pixels, runtime).numpy(),
        train_features=image_features(backbone, train, runtime).numpy(),
    )
