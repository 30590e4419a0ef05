"""The choices of a run, all made on held-out images: alpha, the guard's step, temperature."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adapt.common.progress import track
from adapt.data.image_data import ImageData
from adapt.data.settings import Holdout
from adapt.data.shifts.shift import Shift
from adapt.ensembling.choose import alpha_grid, choose_alpha
from adapt.ensembling.guard import Guard, guard
from adapt.ensembling.held_out import HeldOut, held_out, pool
from adapt.ensembling.settings import Ensemble
from adapt.errors import DataError
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.methods.base import Method
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.recipe.data import fold_count
from adapt.recipe.schema import Recipe
from adapt.runs.fit import fit
from adapt.training.context import Context
from adapt.training.features.encode import predict_logits, prepare

WITHOUT_PROBE = ("linear_probe", "zero_shot")
"""Methods without a linear probe beside them for comparison."""


@dataclass
class Choice:
    """What was chosen, and what it was chosen on."""

    held: HeldOut
    probe: np.ndarray | None
    """Logits of the linear probe for the held-out images."""
    guard: Guard
    temperature: float

    @property
    def alpha(self) -> float:
        """The alpha that is shipped."""
        return self.guard.alpha_after


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


def choose(
    recipe: Recipe,
    method: Method,
    start: Classifier,
    tuned: Classifier,
    probe: Classifier | None,
    data: ImageData,
    context: Context,
) -> Choice:
    """Choose alpha by the recipe's rule, let the guard look at it, then fit the temperature.

    Args:
        recipe: Names the rule and how images are held out.
        method: Trained again for each fold, where there are folds.
        start: The zero-shot model.
        tuned: What the method made of it, trained on all of `data.train`.
        probe: A linear probe on the same images, if one is compared with.
        data: Training and validation images.
        context: Of the training.

    Raises:
        DataError: When nothing is held out.
    """
    section = recipe.ensemble
    alphas = alphas_of(section)
    shifts = [Shift(kind, section.severity) for kind in section.corruptions]
    if section.kind == "none":
        shifts = []
    outputs: np.ndarray | None = None
    if count := fold_count(recipe, data):
        folds = data.folds(count, _split_seed(recipe))
        held = _cross_validate(recipe, method, start, folds, context, shifts)
        if probe is not None:
            outputs = _probe_on_folds(start, folds, context)
    else:
        if data.val is None:
            raise DataError("data.val - nothing is held out - no val images - give a `val` section")
        held = held_out(start, tuned, data.val, alphas, context.runtime, shifts)
        if probe is not None:
            outputs = _logits(probe, data, context)
    alpha = 1.0
    if section.kind == "wise_ft":
        alpha = choose_alpha(held.evidence(), section.rule, section.alpha)
    checked = guard(held, alpha, data.class_names, outputs)
    temperature = 1.0
    if recipe.calibration.kind == "temperature":
        temperature = fit_temperature(held.logits[checked.alpha_after], held.targets)
    return Choice(held, outputs, checked, temperature)


def _cross_validate(
    recipe: Recipe,
    method: Method,
    start: Classifier,
    folds: list[ImageData],
    context: Context,
    shifts: list[Shift],
) -> HeldOut:
    """Train once without each fold; every image is scored by the model that did not see it.

    The images of a fold are not val images of its training either: what a method chooses on val,
    such as the C of a probe, would be chosen on the very images that score it.
    """
    parts, alphas = [], alphas_of(recipe.ensemble)
    for number, fold in enumerate(track(folds, "folds")):
        assert fold.val is not None
        folder: Path | None = None
        if context.folder is not None:
            folder = context.folder / "folds" / str(number)
        rest = ImageData(fold.train)
        tuned = fit(method, start, rest, replace(context, folder=folder), recipe.ensemble)
        parts.append(held_out(start, tuned, fold.val, alphas, context.runtime, shifts))
    return pool(parts)


def _probe_on_folds(start: Classifier, folds: list[ImageData], context: Context) -> np.ndarray:
    """Logits of probes for the images that they were not fitted on, in the order of the folds."""
    probes = (LinearProbe().fit(start, ImageData(fold.train), context) for fold in folds)
    return np.concatenate(
        [_logits(probe, fold, context) for probe, fold in zip(probes, folds, strict=True)]
    )


def _logits(classifier: Classifier, data: ImageData, context: Context) -> np.ndarray:
    assert data.val is not None
    pixels = prepare(data.val, classifier.backbone.preprocessing, context.runtime)
    return predict_logits(classifier, pixels, context.runtime)
