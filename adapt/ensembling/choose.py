"""Choosing a point of the curve; where its scores come from is the caller's business."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapt.errors import RecipeError, did_you_mean

CLEAN_RULES = ("val", "val_one_se")
CORRUPTION_RULES = ("synthetic_shift", "synthetic_one_se", "both_one_se", "min_regret")
NEED_ERRORS = ("synthetic_one_se", "both_one_se")
RULES = (*CLEAN_RULES, *CORRUPTION_RULES, "fixed")


def alpha_grid(count: int) -> list[float]:
    """Evenly spaced alphas from 0 to 1, both ends exact.

    >>> alpha_grid(3)
    [0.0, 0.5, 1.0]
    """
    if count < 2:
        raise RecipeError(f"ensemble.alphas - too few - {count} - give 2 or more")
    return [round(i / (count - 1), 6) for i in range(count)]


@dataclass(frozen=True)
class Evidence:
    """Accuracy, 0 to 1, of every alpha on validation images: all that a rule may see.

    Raises:
        RecipeError: When there is nothing to choose from.
    """

    accuracy: Mapping[float, float]
    """On the images as they are."""
    images: int
    """How many images it was measured on."""
    corrupted: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """On corruptions of the same images, by the name of the corruption."""
    synthetic_error: Mapping[float, float] = field(default_factory=dict)
    """Standard error over the images of `synthetic`, at each alpha; for `synthetic_one_se`."""

    def __post_init__(self) -> None:
        if not self.accuracy or self.images < 1:
            raise RecipeError(
                f"ensemble - nothing to choose from - {self.images} images - give val images"
            )

    def synthetic(self, alpha: float) -> float | None:
        """Mean accuracy over the images and each of their corruptions; None without any.

        >>> Evidence({0.0: 0.5}, 10, {"blur": {0.0: 0.3}}).synthetic(0.0)
        0.4
        """
        if not self.corrupted:
            return None
        values = [self.accuracy[alpha], *(kind[alpha] for kind in self.corrupted.values())]
        return math.fsum(values) / len(values)

    def regret(self, alpha: float) -> float | None:
        """Largest loss against the best alpha, over the images and each of their corruptions.

        >>> Evidence({0.0: 0.5, 1.0: 0.75}, 10, {"blur": {0.0: 0.5, 1.0: 0.0}}).regret(1.0)
        0.5
        """
        if not self.corrupted:
            return None
        sets = [self.accuracy, *self.corrupted.values()]
        return max(max(values.values()) - values[alpha] for values in sets)


def choose_alpha(evidence: Evidence, rule: str, fixed: float | None = None) -> float:
    """The alpha to keep. No test image plays a part; ties go to the smallest alpha.

    Args:
        evidence: Accuracies on validation images.
        rule: `val` takes the best accuracy. `val_one_se` takes the smallest alpha that is at most
            one standard error, sqrt(p (1 - p) / images), below it: what val cannot tell apart is
            decided for the weights nearest to zero-shot. `synthetic_shift` takes the best mean
            over val and its corruptions, `synthetic_one_se` the smallest alpha that is at most one
            standard error below that, `both_one_se` the larger of what `val_one_se` and
            `synthetic_one_se` take (so that neither sees a loss), `min_regret` the smallest largest
            loss over val and corruptions (so that no single one is given up). `fixed` takes the
            number given.
        fixed: The alpha of the rule `fixed`.

    Raises:
        RecipeError: When the rule is not known, or lacks what it needs.

    >>> evidence = Evidence({0.0: 0.50, 0.5: 0.78, 1.0: 0.80}, 100)
    >>> choose_alpha(evidence, "val"), choose_alpha(evidence, "val_one_se")
    (1.0, 0.5)
    """
    if rule not in RULES:
        hint = did_you_mean(rule, RULES)
        raise RecipeError(f"ensemble.rule - not known - {rule!r}{hint} - use {', '.join(RULES)}")
    if rule == "fixed":
        if fixed is None or fixed not in evidence.accuracy:
            raise RecipeError(f"ensemble.alpha - not on the curve - {fixed} - give a number on it")
        return fixed
    if rule in CORRUPTION_RULES and not evidence.corrupted:
        raise RecipeError(
            f"ensemble.corruptions - empty - [] - the rule {rule} needs at least one corruption"
        )
    if rule in NEED_ERRORS and not evidence.synthetic_error:
        raise RecipeError(
            f"ensemble.rule - lacks standard errors - {rule} - give synthetic_error with the "
            "evidence"
        )
    if rule == "both_one_se":
        return max(choose_alpha(evidence, one) for one in ("val_one_se", "synthetic_one_se"))
    return min(_as_good_as_needed(evidence, rule))


def _as_good_as_needed(evidence: Evidence, rule: str) -> list[float]:
    """The alphas a rule cannot tell from its best."""
    values, margin = dict(evidence.accuracy), 0.0
    if rule == "val_one_se":
        best = max(values.values())
        margin = math.sqrt(best * (1 - best) / evidence.images)
    elif rule in ("synthetic_shift", "synthetic_one_se"):
        values = {alpha: evidence.synthetic(alpha) or 0.0 for alpha in values}
        if rule == "synthetic_one_se":
            margin = evidence.synthetic_error[min(values, key=lambda a: (-values[a], a))]
    elif rule == "min_regret":
        values = {alpha: -(evidence.regret(alpha) or 0.0) for alpha in values}
    best = max(values.values())
    return [alpha for alpha, value in values.items() if value >= best - margin]


def possible_rules(evidence: Evidence) -> tuple[str, ...]:
    """The rules that need no more than this evidence."""
    if not evidence.corrupted:
        return CLEAN_RULES
    rules = (*CLEAN_RULES, *CORRUPTION_RULES)
    return rules if evidence.synthetic_error else tuple(r for r in rules if r not in NEED_ERRORS)
