"""Choosing a point of the curve; where its scores come from is the caller's business."""

from adapt.ensembling.rules.base import FIXED, RULES, Evidence, get_rule
from adapt.errors import RecipeError


def alpha_grid(count: int) -> list[float]:
    """Evenly spaced alphas from 0 to 1, both ends exact.

    >>> alpha_grid(3)
    [0.0, 0.5, 1.0]
    """
    if count < 2:
        raise RecipeError(f"ensemble.alphas - too few - {count} - give 2 or more")
    return [round(i / (count - 1), 6) for i in range(count)]


def choose_alpha(evidence: Evidence, rule: str, fixed: float | None = None) -> float:
    """The alpha to keep. No test image plays a part; ties go to the smallest alpha.

    Args:
        evidence: Accuracies on validation images.
        rule: A file in `adapt.ensembling.rules` says what each rule takes; `fixed` takes the
            number given.
        fixed: The alpha of the rule `fixed`.

    Raises:
        RecipeError: When the rule is not known, or lacks what it needs.
    """
    if rule == FIXED:
        if fixed is None or fixed not in evidence.accuracy:
            raise RecipeError(f"ensemble.alpha - not on the curve - {fixed} - give a number on it")
        return fixed
    chosen = get_rule(rule)
    if chosen.corruptions and not evidence.corrupted:
        raise RecipeError(
            f"ensemble.corruptions - empty - [] - the rule {rule} needs at least one corruption"
        )
    if not chosen.can_use(evidence):
        raise RecipeError(
            f"ensemble.rule - lacks standard errors - {rule} - give synthetic_error with the "
            "evidence"
        )
    return chosen.choose(evidence)


def possible_rules(evidence: Evidence) -> tuple[str, ...]:
    """The rules that need no more than this evidence."""
    return tuple(name for name, rule in RULES.table().items() if rule.can_use(evidence))
