"""The choices of a run, all made on held-out images: both alphas, the temperature, what ships."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.progress import track
from adapt.data.image_data import ImageData
from adapt.data.settings import Holdout
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.candidates import ZERO_SHOT, Candidate, Decision, decide, too_small
from adapt.ensembling.choose import alpha_grid, can_search, choose_alpha
from adapt.ensembling.guard import guard
from adapt.ensembling.held_out import HeldOut, HeldOutSets, JudgedLine, search_lines, visit_lines
from adapt.ensembling.line import Line, Refresh, mix, refresh_of, unchanged
from adapt.ensembling.rules.base import FIXED, needs_corruptions
from adapt.ensembling.settings import FULL, MIXED, PROBE, WITHOUT_PROBE, Ensemble
from adapt.ensembling.weights.shared import share_weights
from adapt.errors import DataError
from adapt.methods.base import Method
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.building.timm_images import has_text
from adapt.models.classifier import Classifier
from adapt.recipe.data import fold_count
from adapt.recipe.schema import Recipe
from adapt.runs.fit import fit, models_aside
from adapt.training.context import Context


@dataclass
class Choice:
    """What was chosen, and what it was chosen on."""

    mixed: Candidate
    """The point on the line to the adapted model."""
    probe: Candidate | None
    """The point on the line to the linear probe, where one was fitted."""
    decision: Decision
    """Which of them ships."""

    @property
    def shipped(self) -> Candidate:
        """The candidate that ships."""
        return self.decision.shipped

    def to_dict(self, allowed: Sequence[str], folds: int) -> dict[str, Any]:
        """What `scores.json` holds under `ship`.

        Args:
            allowed: The candidates that might ship.
            folds: Folds of the run; 0 where val is a split of its own.
        """
        judge = self.mixed.held.judge
        zero_shot = judge.quality(self.mixed.held.logits[0.0])
        candidates = {ZERO_SHOT: {"alpha": 0.0, judge.measure: zero_shot}}
        for candidate in (self.mixed, self.decision.rival):
            if candidate is not None:
                measured = {"alpha": candidate.alpha, judge.measure: candidate.quality}
                candidates[candidate.name] = measured
        return {
            "candidate": self.decision.name,
            "reason": self.decision.reason,
            "allowed": list(allowed),
            "n": len(self.mixed.held.targets),
            "candidates": candidates,
            "mixed_minus_probe": self.decision.difference or None,
            "too_small": too_small(self.shipped, folds),
        }


@dataclass
class CandidateLines:
    """The lines from one start to the adapted model and to the linear probe."""

    mixed: Line
    probe: Line | None

    @classmethod
    def between(
        cls,
        start: Classifier,
        tuned: Classifier,
        probe: Classifier | None,
        context: Context,
        refresh: Refresh = unchanged,
    ) -> "CandidateLines":
        """The lines to these ends; what starts alike shares the features of the context's store.

        Args:
            start: Where both begin.
            tuned: The adapted model.
            probe: The linear probe, where one was fitted.
            context: Of the training.
            refresh: What becomes of averages of the start and another end.
        """
        shared = context.runtime, context.store, refresh, context.stages
        return cls(
            Line(start, tuned, *shared),
            None if probe is None else Line(start, probe, *shared),
        )

    def of(self, candidate: Candidate) -> Line:
        """The line that a candidate lies on."""
        line = self.mixed if candidate.name == MIXED else self.probe
        assert line is not None
        return line

    def at(self, candidate: Candidate) -> Classifier:
        """The model of a candidate, without its temperature."""
        line = self.of(candidate)
        return mix(line.start, line.tuned, candidate.alpha, refresh=line.refresh)


def _split_seed(recipe: Recipe) -> int:
    own = recipe.data.val.seed if isinstance(recipe.data.val, Holdout) else None
    return recipe.seed if own is None else own


def alphas_of(ensemble: Ensemble) -> list[float]:
    """The alphas of the curve; without ensembling only its ends, for the guard.

    >>> alphas_of(Ensemble(kind="none")), alphas_of(Ensemble(alphas=3, rule="fixed", alpha=0.3))
    ([0.0, 1.0], [0.0, 0.3, 0.5, 1.0])
    """
    if ensemble.kind == "none":
        return [0.0, 1.0]
    own = [] if ensemble.alpha is None else [ensemble.alpha]
    return sorted({*alpha_grid(ensemble.alphas), *own})


def fit_probe(
    recipe: Recipe, start: Classifier, data: ImageData, context: Context, stage: str = "probe"
) -> Classifier | None:
    """A linear probe on the training images, unless the method is one itself.

    The probe never sees val: its C is chosen inside the training images, because val judges it.

    Args:
        recipe: Names the method.
        start: The zero-shot model.
        data: Training images.
        context: Of the run.
        stage: Name under which the probe is kept until the run is complete.
    """
    # Without a text encoder the start is a linear probe already.
    if recipe.method["name"] in WITHOUT_PROBE or not has_text(start.backbone.spec.arch):
        return None

    def fitted() -> Classifier:
        return LinearProbe().fit(start, ImageData(data.train), replace(context, folder=None))

    probe: Classifier = context.stages.classifier(stage, None, start, fitted)
    return probe


def choose(
    recipe: Recipe, method: Method, lines: CandidateLines, data: ImageData, context: Context
) -> Choice:
    """Choose alpha on each line by the recipe's rule, apply the guard, and decide what ships.

    Args:
        recipe: Names the rule, how images are held out, and what may ship.
        method: Trained again for each fold, where there are folds.
        lines: To the models trained on all of `data.train`.
        data: Training and validation images.
        context: Of the training.

    Raises:
        DataError: When nothing is held out.
    """
    start = lines.mixed.start
    if count := fold_count(recipe, data):
        folds = data.folds(count, _split_seed(recipe))
        held, probe_held = _cross_validate(recipe, method, start, folds, context)
    else:
        if data.val is None:
            raise DataError("data.val - nothing is held out - no val images - give a `val` section")
        sets = _held_out_sets(recipe, start, data.val)
        held, probe_held = _judge(recipe, [(lines, sets)])
    raw = None if probe_held is None else probe_held.logits[1.0]
    called = "zero-shot" if has_text(start.backbone.spec.arch) else "the linear probe"
    mixed = _candidate(recipe, (MIXED, called), held, data.class_names, raw)
    probe = None
    if probe_held is not None:
        probe = _candidate(recipe, (PROBE, called), probe_held, data.class_names, raw)
    # Without mixing the only other candidate would be the probe by itself, which never ships.
    rival = None if recipe.ensemble.kind == "none" else probe
    return Choice(mixed, probe, decide(mixed, rival, recipe.ship))


def _candidate(
    recipe: Recipe,
    called: tuple[str, str],
    held: HeldOut,
    class_names: list[str],
    raw_probe: np.ndarray | None = None,
) -> Candidate:
    """The point that the rule chooses on a line, after the guard, with its temperature."""
    name, start = called
    alpha = _choose_alpha(recipe.ensemble, name, held)
    end = "adapted model" if name == MIXED else "linear probe"
    checked = guard(held, alpha, class_names, raw_probe, end, start=start)
    temperature = 1.0
    if recipe.calibration.kind == "temperature":
        temperature = held.temperature(checked.alpha_after)
    return Candidate(name, held, checked, temperature)


def _choose_alpha(section: Ensemble, name: str, held: HeldOut) -> float:
    if section.kind == "none":
        return 1.0
    if name == MIXED:
        return choose_alpha(held.evidence(), section.rule, section.alpha)
    # Alpha 1 is the probe by itself: best on val too often, and far below zero-shot on shifts.
    below = held.below(1.0)
    fixed = None if section.alpha is None else min(section.alpha, max(below.logits))
    return choose_alpha(below.evidence(), section.rule, fixed)


def _held_out_sets(recipe: Recipe, start: Classifier, val: ImageList) -> HeldOutSets:
    section = recipe.ensemble
    looked_at = section.kind != "none" and needs_corruptions(section.rule)
    kinds = section.corruptions if looked_at else []
    shifts = [Shift(kind, section.severity) for kind in kinds]
    return HeldOutSets.read(start, val, recipe.runtime, shifts, section.groups)


def _judge(
    recipe: Recipe, folds: Sequence[tuple[CandidateLines, HeldOutSets]]
) -> tuple[HeldOut, HeldOut | None]:
    """Outputs along both lines for images that no model was trained on, over all folds."""
    section, grid = recipe.ensemble, alphas_of(recipe.ensemble)
    judged = [JudgedLine(lines.mixed, sets) for lines, sets in folds]
    every_point = recipe.report.curve == FULL or section.rule == FIXED or section.kind == "none"
    cheap = all(each.line.only_heads for each in judged)
    if every_point or cheap or not can_search(section.rule):
        held = visit_lines(judged, grid)
    else:
        held = search_lines(judged, grid, section.rule)
    # The line to the probe needs features of the start alone.
    probes = [JudgedLine(lines.probe, sets) for lines, sets in folds if lines.probe is not None]
    return held, visit_lines(probes, grid) if probes else None


def _cross_validate(
    recipe: Recipe, method: Method, start: Classifier, folds: list[ImageData], context: Context
) -> tuple[HeldOut, HeldOut | None]:
    """Train once without each fold; every image is scored by the models that did not see it.

    The images of a fold are not val images of its training either: what a method chooses on val,
    such as the C of a probe, would be chosen on the very images that score it. The models of all
    folds take the memory of one: what differs from the start lies in files until alpha is chosen.
    """
    judged = []
    with models_aside(context) as models:
        for number, fold in enumerate(track(folds, "folds")):
            assert fold.val is not None
            folder, files = context.folder, Path(models, str(number))
            if folder is not None:
                folder = folder / "folds" / str(number)
            rest, own = ImageData(fold.train), replace(context, folder=folder)
            fitted = partial(fit, method, start, rest, own, recipe.ensemble)
            tuned = context.stages.classifier(f"fold-{number}", None, start, fitted)
            share_weights(tuned, start, files / "tuned.safetensors")
            refresh = refresh_of(recipe.ensemble.batch_norm, start, fold.train, context.runtime)
            if (
                probe := fit_probe(recipe, start, rest, context, f"fold-{number}-probe")
            ) is not None:
                share_weights(probe, start, files / "probe.safetensors")
            lines = CandidateLines.between(start, tuned, probe, context, refresh)
            judged.append((lines, _held_out_sets(recipe, start, fold.val)))
        return _judge(recipe, judged)
