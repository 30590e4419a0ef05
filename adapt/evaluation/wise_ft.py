"""WiSE-FT: the straight line in weight space from start to tuned model (arXiv:2109.01903)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from adapt.data.sources import Images
from adapt.errors import RecipeError, WeightsError
from adapt.evaluation.evaluate import Metrics, Split, metrics
from adapt.models.classifier import Classifier
from adapt.training.features import head_logits, image_features, predict_logits
from adapt.training.settings import Runtime
from adapt.weights.choose import alpha_grid, choose_alpha
from adapt.weights.interpolate import interpolate


@dataclass
class Curve:
    """Scores along the line, and the point chosen on `val`."""

    points: list[dict[str, Any]] = field(default_factory=list)
    """One mapping per alpha: `alpha`, and for each set its metrics."""
    chosen: float = 1.0
    """The chosen alpha."""
    rule: str = "val"
    """How it was chosen."""

    def to_dict(self) -> dict[str, Any]:
        """What `curve.json` holds."""
        return {"format": 1, "points": self.points, "chosen": self.chosen, "rule": self.rule}


def mix(start: Classifier, tuned: Classifier, alpha: float) -> Classifier:
    """The model at `alpha` between `start` (0) and `tuned` (1); the ends are bit-equal to them.

    Learned heads are averaged like any weight. When both heads come from text, the head is made
    anew from the averaged text tower.

    Raises:
        WeightsError: When the two do not share classes, names or shapes.
    """
    if start.class_names != tuned.class_names:
        pairs = zip(start.class_names, tuned.class_names, strict=False)
        first = next((f"{a!r} and {b!r}" for a, b in pairs if a != b), "their number")
        raise WeightsError(
            f"class names - differ - {first} - both models must have the same classes in the "
            "same order"
        )
    towers = interpolate(
        start.backbone.model.state_dict(), tuned.backbone.model.state_dict(), alpha
    )
    heads = interpolate(start.head.state_dict(), tuned.head.state_dict(), alpha)
    mixed = (start if alpha == 0 else tuned).clone()
    mixed.backbone.model.load_state_dict(towers)
    mixed.head.load_state_dict(heads)
    if alpha not in (0, 1) and start.head_from_text and tuned.head_from_text:
        mixed.rebuild_head()
    return mixed


def same_towers(start: Classifier, tuned: Classifier) -> bool:
    """Whether only the heads differ, so that logits are linear in alpha."""
    first, second = start.backbone.model.state_dict(), tuned.backbone.model.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def logits_along(
    start: Classifier, tuned: Classifier, runtime: Runtime
) -> Callable[[float, Split], np.ndarray]:
    """A function from (alpha, split) to logits, as cheap as the two models allow.

    With equal towers the features of a split are computed once and only heads are mixed. Otherwise
    one working copy is kept and its weights are replaced for each alpha.
    """
    if same_towers(start, tuned):
        known = {}

        def from_features(alpha: float, split: Split) -> np.ndarray:
            if split.name not in known:
                known[split.name] = image_features(start.backbone, split.pixels, runtime)
            return head_logits(mix(start, tuned, alpha), known[split.name])

        return from_features
    current: dict[float, Classifier] = {}

    def from_pixels(alpha: float, split: Split) -> np.ndarray:
        if alpha not in current:
            current.clear()
            current[alpha] = mix(start, tuned, alpha)
        return predict_logits(current[alpha], split.pixels, runtime)

    return from_pixels


def sweep(
    start: Classifier,
    tuned: Classifier,
    val: Split,
    evals: list[Split],
    alphas: list[float],
    runtime: Runtime,
    rule: str = "val",
) -> Curve:
    """Score every alpha on val and the evals; choose by `rule` on val alone (`choose_alpha`)."""
    logits = logits_along(start, tuned, runtime)
    curve = Curve(rule=rule)
    for alpha in alphas:
        point: dict[str, Any] = {"alpha": alpha}
        for split in [val, *evals]:
            point[split.name] = metrics(logits(alpha, split), split.targets)
        curve.points.append(point)
    accuracy = {point["alpha"]: point[val.name]["accuracy"] for point in curve.points}
    curve.chosen = choose_alpha(accuracy, len(val.targets), rule)
    return curve


def wise_ft(
    start: Classifier,
    tuned: Classifier,
    val: Images,
    evals: dict[str, Images] | None = None,
    alphas: int = 11,
    runtime: Runtime | None = None,
    rule: str = "val",
) -> tuple[Classifier, Curve]:
    """Interpolate between start and tuned model, and keep the alpha that `val` speaks for.

    Args:
        start: The zero-shot model.
        tuned: What a method made of it.
        val: Held-out images of the training distribution; the only ones the choice sees.
        evals: Test sets whose scores are recorded along the curve, for the report.
        alphas: Points from 0 to 1.
        runtime: Device, batch size, workers.
        rule: `val` or `val_one_se`; see `adapt.weights.choose.choose_alpha`.

    Returns:
        The chosen model, and the curve.

    Raises:
        WeightsError: When the two models do not fit together.
        DataError: When a set has a class the models do not know.
        RecipeError: When an eval is called `val` or `alpha`.
    """
    runtime = runtime or Runtime()
    if taken := sorted({"val", "alpha"} & set(evals or {})):
        raise RecipeError(
            f"evals.{taken[0]} - name is taken - the choice is made on `val` - give the test set "
            "another name"
        )
    splits = [
        Split.read(name, images, start, runtime)
        for name, images in {"val": val, **(evals or {})}.items()
    ]
    curve = sweep(start, tuned, splits[0], splits[1:], alpha_grid(alphas), runtime, rule)
    return mix(start, tuned, curve.chosen), curve


__all__ = ["Curve", "Metrics", "mix", "same_towers", "sweep", "wise_ft"]
