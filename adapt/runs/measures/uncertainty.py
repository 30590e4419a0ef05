"""The uncertainty of a run: `uncertainty.json`, and the thresholds in the bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.common.arrays import FloatArray
from adapt.common.files import write_json
from adapt.errors import DataError, did_you_mean
from adapt.evaluation.evaluate import Split, softmax
from adapt.evaluation.metrics.calibration import (
    calibration_by_chance,
    expected_calibration_error,
)
from adapt.evaluation.metrics.intervals import WILSON
from adapt.evaluation.metrics.validation import check_some
from adapt.evaluation.settings import UncertaintySettings
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
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.models.prediction.conformal import (
    LAC,
    RAPS,
    SCORES,
    SetRule,
    draws_of,
    prediction_sets,
)
from adapt.models.prediction.uncertainty import Uncertainty, energy
from adapt.recipe.data import RunData
from adapt.recipe.schema import Recipe
from adapt.runs.measures.scores import Outputs, id_eval
from adapt.training.context import Context
from adapt.training.features.encode import image_features, predict_logits
from adapt.training.features.pixels import prepare


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
    settings: UncertaintySettings | None = None,
    unknowns: Unknowns | None = None,
    interval: str = WILSON,
) -> tuple[dict[str, Any], Uncertainty]:
    """Choose every threshold on val and measure its effect on the evals.

    Alpha and the temperature were chosen on val too, so the thresholds are slightly optimistic; and
    they hold for data like val, not under shift. Conformal thresholds are stored only when val has
    enough images for the level (per class: of every class), because otherwise the sets would hold a
    class regardless of the image; and only then are sets with them scored. The detector of unknown
    images is stored with the threshold that keeps 95 % of val.

    Args:
        val: Of the shipped model.
        evals: The same by name; sets without images are left out.
        class_names: The K classes.
        temperature: Of the shipped model.
        settings: Fractions, and how conformal sets are made.
        unknowns: Images of no known class, if there are any.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        The content of `uncertainty.json`, and what to store in the bundle.

    Raises:
        DataError: When val is empty, a fraction is out of range, or the unknowns name no eval.
    """
    settings = settings or UncertaintySettings()
    evals = {name: part for name, part in evals.items() if len(part.targets)}
    calibration, targets = check_some(softmax(val.logits, temperature), val.targets)
    below = answering_threshold(calibration.max(axis=1), settings.coverage)
    conformal = _Conformal(val, evals, temperature, settings.level, interval)
    rule = set_rule(settings)
    overall, per_class = conformal.overall(rule), conformal.per_class(rule)
    uncovered = uncovered_classes(per_class, class_names)
    content = {
        "format": 1,
        "temperature": float(temperature),
        "ece": _calibration_errors(evals, temperature),
        **_selective(evals, temperature, settings.coverage, below, interval),
        "conformal": {
            "level": float(settings.level),
            "held_out": len(targets),
            **vars(rule),
            "global": {"evals": conformal.scored(rule, overall)},
            "per_class": {
                "evals": {} if uncovered else conformal.scored(rule, per_class),
                "uncovered": uncovered,
            },
            "scores": {
                score: conformal.at_one_threshold(set_rule(settings, score)) for score in SCORES
            },
        },
        "unknown": None if unknowns is None else _unknown(unknowns, evals, temperature),
    }
    enough = bool(np.isfinite(overall))
    stored = Uncertainty(
        abstain_below=below,
        abstain_coverage=settings.coverage,
        conformal_level=settings.level if enough else None,
        conformal_threshold=overall if enough else None,
        conformal_per_class=None if uncovered or not enough else tuple(per_class),
        conformal_score=rule.score,
        conformal_randomised=rule.randomised,
        conformal_empty=rule.empty,
        conformal_penalty=rule.penalty,
        conformal_free_ranks=rule.free_ranks,
        unknown_detector=None if unknowns is None else unknowns.detector,
        unknown_threshold=None if unknowns is None else _keeping(unknowns, val, temperature),
    )
    return content, stored


def set_rule(settings: UncertaintySettings, score: str | None = None) -> SetRule:
    """How conformal sets are made.

    Args:
        settings: Of the recipe.
        score: Another one than the recipe's.

    >>> set_rule(UncertaintySettings(score="aps"))
    SetRule(score='aps', randomised=False, empty=False, penalty=0.0, free_ranks=0)
    """
    score = score or settings.score
    penalty, free = (settings.penalty, settings.free_ranks) if score == RAPS else (0.0, 0)
    return SetRule(score, settings.randomised and score != LAC, settings.empty_sets, penalty, free)


@dataclass(frozen=True)
class _Conformal:
    """Conformal sets of one model, by any rule: thresholds from val, scores on the evals."""

    val: Answers
    evals: dict[str, Answers]
    temperature: float
    level: float
    interval: str

    def overall(self, rule: SetRule) -> float:
        """One threshold for all classes."""
        given = self._parts(self.val)
        scores = true_class_scores(given[0], self.val.targets, rule, given[1])
        return conformal_threshold(scores, self.level)

    def per_class(self, rule: SetRule) -> FloatArray:
        """A threshold for each class."""
        given = self._parts(self.val)
        return class_thresholds(given[0], self.val.targets, self.level, rule, given[1])

    def scored(self, rule: SetRule, thresholds: float | FloatArray) -> dict[str, Any]:
        """Coverage and size by eval; none where the thresholds would say nothing."""
        if not np.isfinite(thresholds).all():
            return {}
        scores = {}
        for name, part in self.evals.items():
            probabilities, draws = self._parts(part)
            sets = prediction_sets(probabilities, thresholds, rule, draws)
            scores[name] = set_scores(sets, part.targets, self.interval)
        return scores

    def at_one_threshold(self, rule: SetRule) -> dict[str, Any]:
        """Coverage and size by eval, with one threshold for all classes."""
        return self.scored(rule, self.overall(rule))

    def _parts(self, part: Answers) -> tuple[FloatArray, FloatArray]:
        return softmax(part.logits, self.temperature), draws_of(part.logits)


def _calibration_errors(
    evals: dict[str, Answers], temperature: float
) -> dict[str, dict[str, float | None]]:
    """The errors before and after temperature, and what a calibrated model would show by chance."""
    errors: dict[str, dict[str, float | None]] = {}
    for name, part in evals.items():
        if part.logits.shape[1] < 2:
            errors[name] = dict.fromkeys(("before", "after", "by_chance", "most_by_chance"))
            continue
        scaled = np.asarray(part.logits, np.float64) / temperature
        chance = calibration_by_chance(scaled)
        errors[name] = {
            "before": expected_calibration_error(part.logits, part.targets),
            "after": expected_calibration_error(scaled, part.targets),
            "by_chance": chance["mean"],
            "most_by_chance": chance["most"],
        }
    return errors


def _selective(
    evals: dict[str, Answers], temperature: float, coverage: float, below: float, interval: str
) -> dict[str, Any]:
    curves, answered = {}, {}
    for name, part in evals.items():
        probabilities = softmax(part.logits, temperature)
        confidences = probabilities.max(axis=1)
        right = probabilities.argmax(axis=1) == part.targets
        curves[name] = risk_coverage(confidences, right)
        answered[name] = answered_scores(confidences, right, below, interval)
    abstention = {"coverage": float(coverage), "threshold": below, "evals": answered}
    return {"risk_coverage": curves, "abstention": abstention}


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
    context: Context,
    recipe: Recipe,
    data: RunData,
    shipped: Classifier,
    outputs: Outputs,
    splits: Sequence[Split],
) -> Uncertainty:
    """Write `uncertainty.json`; returns the thresholds that the bundle gets."""
    answers = {
        name: Answers(outputs.logits[outputs.shipped][name], targets)
        for name, targets in outputs.targets.items()
    }
    val = answers.pop("val")
    section, unknowns = recipe.uncertainty, None
    if data.unknown is not None and (known := id_eval(data)) is not None:
        unknowns = _unknowns(data, shipped, context, next(s for s in splits if s.name == known))
    content, stored = uncertainty_of(
        val,
        answers,
        outputs.class_names,
        shipped.temperature,
        section,
        unknowns,
        outputs.interval,
    )
    assert context.folder is not None
    write_json(context.folder / "uncertainty.json", content)
    return stored


def _unknowns(data: RunData, shipped: Classifier, context: Context, known: Split) -> Unknowns:
    runtime, backbone = context.runtime, shipped.backbone
    assert data.unknown is not None
    unknown = prepare(data.unknown, backbone.preprocessing, runtime)
    train = prepare(data.fit.train, backbone.preprocessing, runtime)

    def passes() -> dict[str, np.ndarray]:
        return {
            "logits": predict_logits(shipped, unknown, runtime),
            "features": image_features(backbone, unknown, runtime).numpy(),
            "known_features": image_features(backbone, known.pixels, runtime).numpy(),
            "train_features": image_features(backbone, train, runtime).numpy(),
        }

    def about() -> list[Any]:
        return [weights_hash(shipped.state_dict()), unknown.keys, known.pixels.keys, train.keys]

    made = context.stages.arrays("unknown", about, passes)
    return Unknowns(
        "unknown",
        made["logits"],
        known.name,
        features=made["features"],
        known_features=made["known_features"],
        train_features=made["train_features"],
    )
