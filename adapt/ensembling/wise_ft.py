"""WiSE-FT: the straight line in weight space from start to tuned model (arXiv:2109.01903)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from adapt.common.progress import track
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.choose import alpha_grid, choose_alpha, possible_rules
from adapt.ensembling.held_out import (
    DEFAULT_CORRUPTIONS,
    HeldOut,
    HeldOutSets,
    JudgedLine,
    check_held_out,
)
from adapt.ensembling.line import Line, mix
from adapt.ensembling.rules.base import Evidence, get_rule, nearest, needs_corruptions
from adapt.ensembling.settings import FULL, NONE, SAMPLED
from adapt.errors import RecipeError
from adapt.evaluation.evaluate import Split, metrics, sample_of
from adapt.evaluation.metrics.intervals import WILSON
from adapt.models.classifier import Classifier
from adapt.report.displays.html import html_table
from adapt.report.record.words import percent
from adapt.training.settings import Runtime

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVE_IMAGES = 400
"""Images of an eval in a sampled curve: the 95 % interval of an accuracy is 5 points either way."""
NEAR = 0.15
"""How near to a quarter of the line the chosen point stands for it on a sampled curve."""
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
    level: list[float] = field(default_factory=list)
    """The alphas that val does not tell from the chosen one by accuracy."""
    sampled: dict[str, int] = field(default_factory=dict)
    """Images of each eval that its points were scored on, where these are not all."""
    logits: dict[str, dict[float, np.ndarray]] = field(default_factory=dict, repr=False)
    """Logits of each eval at the ends and at the chosen alpha, so that none is computed twice."""

    def plot(self) -> "Figure":
        """Accuracy of each set along the line, the chosen alpha marked; needs matplotlib."""
        from adapt.report.figures.displays.plots import curve_figure

        return curve_figure(self.points, self.chosen)

    def _repr_html_(self) -> str:
        """A table for notebooks: accuracy by alpha and set."""
        names = [name for name, value in self.points[-1].items() if isinstance(value, dict)]
        rows = [
            [f"{point['alpha']:g}{' (chosen)' if point['alpha'] == self.chosen else ''}"]
            + [percent((point.get(name) or {}).get("accuracy")) for name in names]
            for point in self.points
        ]
        caption = f"Accuracy along the line; alpha {self.chosen:g} was chosen by {self.rule}"
        return html_table(caption, ["alpha", *names], rows)

    def to_dict(self) -> dict[str, Any]:
        """What `curve.json` holds."""
        return {
            "format": 1,
            "points": self.points,
            "chosen": self.chosen,
            "rule": self.rule,
            "rules": self.rules,
            "level": self.level,
            "sampled": self.sampled,
        }


def sweep(
    line: Line,
    held: HeldOut,
    evals: Sequence[Split],
    chosen: float,
    curve: str = FULL,
    interval: str = WILSON,
) -> Curve:
    """Score the line on the evals too; `chosen` is fixed before any of them is read.

    The ends and the chosen point are scored on all images, whatever the curve. The other points of
    a sampled curve are scored on `CURVE_IMAGES` of an eval, and so are then all its points.

    Args:
        line: From start to tuned model.
        held: Outputs for validation images; its alphas are the points of the curve.
        evals: Test sets, recorded for the report.
        chosen: The alpha that was chosen on `held`.
        curve: `full`, every point; `sampled`, five of them; `none`, none.
        interval: Of proportions; see `proportion_interval`.
    """
    alphas, ends, evidence = sorted(held.logits), {0.0, 1.0, chosen}, held.evidence()
    drawn = drawn_points(alphas, chosen, curve)
    parts = {split.name: split if curve == FULL else _part_of(split) for split in evals}
    result = Curve(chosen=chosen, rules=rule_table(held), logits={s.name: {} for s in evals})
    result.level = held.level_with(chosen)
    if curve == SAMPLED:
        counts = {split.name: len(parts[split.name].targets) for split in evals}
        result.sampled = {s.name: counts[s.name] for s in evals if counts[s.name] < len(s.targets)}
    for alpha in track(alphas, "points of the curve"):
        point = _on_held_out(held, evidence, alpha, interval)
        scored: dict[str, np.ndarray] = {}
        if alpha in ends:
            whole = line.logits(alpha, evals, exact=True)
            for split, logits in zip(evals, whole, strict=True):
                result.logits[split.name][alpha] = logits
                scored[split.name] = parts[split.name].rows_of(logits)
        elif alpha in drawn:
            scored = dict(zip(parts, line.logits(alpha, list(parts.values())), strict=True))
        for name, logits in scored.items() if alpha in drawn else ():
            part = parts[name]
            point[name] = metrics(part.masked(logits), part.targets, interval=interval)
        result.points.append(point)
    return result


def drawn_points(alphas: Sequence[float], chosen: float, curve: str) -> list[float]:
    """The points that evals are scored at for the curve.

    Args:
        alphas: Those visited on held-out images.
        chosen: One of them.
        curve: `full`; `sampled`, the ends, the choice and what is nearest to a quarter, a half and
            three quarters, unless the choice is as near; `none`.

    >>> drawn_points([0.0, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0], 0.4, "sampled")
    [0.0, 0.2, 0.4, 0.8, 1.0]
    """
    if curve == NONE:
        return []
    quarters = [place / 4 for place in (1, 2, 3) if abs(chosen - place / 4) > NEAR]
    near = {nearest(alphas, quarter) for quarter in quarters}
    return sorted(alphas if curve == FULL else near | {0.0, 1.0, chosen})


def _part_of(split: Split) -> Split:
    rows = sample_of(split.pixels.keys, CURVE_IMAGES)
    return split if len(rows) == len(split.targets) else split.subset(rows)


def _on_held_out(held: HeldOut, evidence: Evidence, alpha: float, interval: str) -> dict[str, Any]:
    on_val = metrics(held.logits[alpha], held.targets, interval=interval)
    point: dict[str, Any] = {"alpha": alpha, "val": on_val}
    if evidence.corrupted:
        point["synthetic"], point["regret"] = evidence.synthetic(alpha), evidence.regret(alpha)
    return point


def rule_table(held: HeldOut) -> dict[str, dict[str, Any]]:
    """What each rule would choose here and `why`, with val accuracy and temperature there."""
    evidence = held.evidence()
    table: dict[str, dict[str, Any]] = {}
    for rule in possible_rules(evidence):
        alpha = choose_alpha(evidence, rule)
        quality, temperature = evidence.accuracy[alpha], held.temperature(alpha)
        table[rule] = {"alpha": alpha, held.judge.measure: quality, "temperature": temperature}
        table[rule]["why"] = get_rule(rule).sentence
    return table


def wise_ft(
    start: Classifier,
    tuned: Classifier,
    val: ImageList,
    evals: dict[str, ImageList] | None = None,
    alphas: int = 11,
    runtime: Runtime | None = None,
    rule: str = "likelihood_gain",
    groups: str = "",
) -> tuple[Classifier, Curve]:
    """Interpolate between start and tuned model, and keep the alpha that `val` favours.

    Args:
        start: The zero-shot model.
        tuned: What a method made of it.
        val: Held-out images of the training distribution; the only ones the choice sees.
        evals: Test sets whose scores are recorded along the curve, for the report.
        alphas: Points from 0 to 1.
        runtime: Device, batch size, workers.
        rule: Of `adapt.ensembling.rules`; see `Ensemble.rule`.
        groups: Column of `val` whose values make groups with the classes, for the rule
            `worst_group`; with another rule, `Curve.rules` says what it would have chosen.

    Returns:
        The chosen model, and the curve.

    Raises:
        WeightsError: When the two models do not fit together.
        DataError: When a set has a class the models do not know, or `val` is a test set: its table
            or folder says so, or an eval has an image of it.
        RecipeError: When an eval has a name the curve needs, or the rule is not known or has
            no groups to look at.
    """
    runtime = runtime or Runtime()
    if taken := sorted(TAKEN & set(evals or {})):
        raise RecipeError(
            f"evals.{taken[0]} - name is taken - the choice is made on `val` - give the test set "
            "another name"
        )
    check_held_out(val, evals or {})
    shifts = DEFAULT_CORRUPTIONS if needs_corruptions(rule) else ()
    line = Line(start, tuned, runtime)
    judged = JudgedLine(line, HeldOutSets.read(start, val, runtime, shifts, groups))
    held = judged.visit_all(alpha_grid(alphas))
    chosen = choose_alpha(held.evidence(), rule)
    splits = [Split.read(name, images, start, runtime) for name, images in (evals or {}).items()]
    scored = sweep(line, held, splits, chosen)
    scored.rule = rule
    return mix(start, tuned, chosen), scored


__all__ = ["Curve", "mix", "rule_table", "sweep", "wise_ft"]
