"""Choosing a point of the curve; where its scores come from is the caller's business."""

import math
from collections.abc import Mapping

from adapt.errors import RecipeError, did_you_mean

RULES = ("val", "val_one_se")


def alpha_grid(count: int) -> list[float]:
    """Evenly spaced alphas from 0 to 1, both ends exact.

    >>> alpha_grid(3)
    [0.0, 0.5, 1.0]
    """
    if count < 2:
        raise RecipeError(f"ensemble.alphas - too few - {count} - give 2 or more")
    return [round(i / (count - 1), 6) for i in range(count)]


def choose_alpha(accuracy: Mapping[float, float], images: int, rule: str) -> float:
    """The alpha to keep, from its accuracy on validation images alone.

    Args:
        accuracy: Accuracy at each alpha, 0 to 1.
        images: How many images it was measured on.
        rule: `val` takes the best accuracy; `val_one_se` the smallest alpha that is at most one
            standard error, sqrt(p (1 - p) / images), below it: what val cannot tell apart is
            decided for the weights nearest to zero-shot. Ties go to the smallest alpha in both.

    Raises:
        RecipeError: When the rule is not known, or nothing is there to choose from.

    >>> curve = {0.0: 0.50, 0.5: 0.78, 1.0: 0.80}
    >>> choose_alpha(curve, 100, "val"), choose_alpha(curve, 100, "val_one_se")
    (1.0, 0.5)
    """
    if rule not in RULES:
        hint = did_you_mean(rule, RULES)
        raise RecipeError(f"ensemble.rule - not known - {rule!r}{hint} - use {' or '.join(RULES)}")
    if not accuracy or images < 1:
        raise RecipeError(f"ensemble - nothing to choose from - {images} images - give val images")
    best = max(accuracy.values())
    margin = math.sqrt(best * (1 - best) / images) if rule == "val_one_se" else 0.0
    return min(alpha for alpha, value in accuracy.items() if value >= best - margin)
