"""WiSE-FT: the straight line in weight space from start to tuned model (arXiv:2109.01903)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapt.common.progress import track
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.choose import alpha_grid, choose_alpha, possible_rules
from adapt.ensembling.held_out import DEFAULT_CORRUPTIONS, HeldOut, check_held_out, held_out
from adapt.ensembling.line import StartFeatures, logits_on_line, mix
from adapt.ensembling.rules.base import get_rule, needs_corruptions
from adapt.errors import RecipeError
from adapt.evaluation.evaluate import Split, metrics
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.evaluation.metrics.intervals import WILSON
from adapt.models.classifier import Classifier
from adapt.training.settings import Runtime

TAKEN = frozenset({"val", "alpha", "synthetic", "regret"})


@dataclass
class Curve:
    """Scores along the line, and the point chosen on held-out images."""

    points: list[dict[str, Any]] = field(default_factory=list)
    """One mapping per alpha: `alpha`, for each set its metrics, and where corruptions of val were
    scored `synthetic` (mean accuracy over val and them) and `regret` (largest loss)."""
    chosen: float = 1.0
    """The chosen alpha."""
    rule: str = "val"
    """How it was chosen."""
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What every rule would choose: its `alpha`, `why`, val `accuracy` and `temperature` there."""
    logits: dict[str, dict[float, np.ndarray]] = field(default_factory=dict, repr=False)
    """Logits of each eval at the ends and at the chosen alpha, so that none is computed twice."""

    def to_dict(self) -> dict[str, Any]:
        """What `curve.json` holds."""
        return {
            "format": 1,
            "points": self.points,
            "chosen": self.chosen,
            "rule": self.rule,
            "rules": self.rules,
        }


def sweep(
    start: Classifier,
    tuned: Classifier,
    held: HeldOut,
    evals: Sequence[Split],
    chosen: float,
    runtime: Runtime,
    interval: str = WILSON,
    features: StartFeatures | None = None,
) -> Curve:
    """Score every alpha of `held` on the evals too; `chosen` is fixed before any of them is read.

    Args:
        start: The model at alpha 0.
        tuned: The model at alpha 1.
        held: Outputs for validation images; its alphas are the points of the curve.
        evals: Test sets, recorded for the report.
        chosen: The alpha that was chosen on `held`.
        runtime: Device and batch size.
        interval: Of proportions; see `proportion_interval`.
        features: Of the start, where other lines from it are visited too.
    """
    logits_at, evidence = logits_on_line(start, tuned, runtime, features), held.evidence()
    curve = Curve(chosen=chosen, rules=rule_table(held), logits={s.name: {} for s in evals})
    for alpha in track(sorted(held.logits), "points of the curve"):
        on_val = metrics(held.logits[alpha], held.targets, interval=interval)
        point: dict[str, Any] = {"alpha": alpha, "val": on_val}
        if evidence.corrupted:
            point["synthetic"], point["regret"] = evidence.synthetic(alpha), evidence.regret(alpha)
        for split in evals:
            logits = logits_at(alpha, split)
            masked = split.masked(logits)
            point[split.name] = metrics(masked, split.targets, interval=interval)
            if alpha in (0, 1, chosen):
                curve.logits[split.name][alpha] = logits
        curve.points.append(point)
    return curve


def rule_table(held: HeldOut) -> dict[str, dict[str, Any]]:
    """What each rule would choose here and `why`, with val accuracy and temperature there."""
    evidence = held.evidence()
    table: dict[str, dict[str, Any]] = {}
    for rule in possible_rules(evidence):
        alpha = choose_alpha(evidence, rule)
        temperature = fit_temperature(held.logits[alpha], held.targets)
        accuracy = evidence.accuracy[alpha]
        table[rule] = {"alpha": alpha, "accuracy": accuracy, "temperature": temperature}
        table[rule]["why"] = get_rule(rule).sentence
    return table


def wise_ft(
    start: Classifier,
    tuned: Classifier,
    val: ImageList,
    evals: dict[str, ImageList] | None = None,
    alphas: int = 11,
    runtime: Runtime | None = None,
    rule: str = "both_one_se",
    corruptions: Sequence[Shift] = DEFAULT_CORRUPTIONS,
) -> tuple[Classifier, Curve]:
    """Interpolate between start and tuned model, and keep the alpha that `val` favours.

    Args:
        start: The zero-shot model.
        tuned: What a method made of it.
        val: Held-out images of the training distribution; the only ones the choice sees.
        evals: Test sets whose scores are recorded along the curve, for the report.
        alphas: Points from 0 to 1.
        runtime: Device, batch size, workers.
        rule: `val`, `val_one_se`, `synthetic_shift`, `synthetic_one_se`, `both_one_se`,
            `min_regret`, or another of `adapt.ensembling.rules`.
        corruptions: Of val, for the rules that look at them; no other rule computes them.

    Returns:
        The chosen model, and the curve.

    Raises:
        WeightsError: When the two models do not fit together.
        DataError: When a set has a class the models do not know, or `val` is a test set: its table
            or folder says so, or an eval has an image of it.
        RecipeError: When an eval has a name the curve needs, or the rule is not known.
    """
    runtime = runtime or Runtime()
    if taken := sorted(TAKEN & set(evals or {})):
        raise RecipeError(
            f"evals.{taken[0]} - name is taken - the choice is made on `val` - give the test set "
            "another name"
        )
    check_held_out(val, evals or {})
    shifts = corruptions if needs_corruptions(rule) else ()
    held = held_out(start, tuned, val, alpha_grid(alphas), runtime, shifts)
    chosen = choose_alpha(held.evidence(), rule)
    splits = [Split.read(name, images, start, runtime) for name, images in (evals or {}).items()]
    curve = sweep(start, tuned, held, splits, chosen, runtime)
    curve.rule = rule
    return mix(start, tuned, chosen), curve


__all__ = ["Curve", "mix", "rule_table", "sweep", "wise_ft"]
