"""Choosing a point of the curve; where its scores come from is the caller's business."""

from collections.abc import Callable, Iterable, Sequence

from adapt.ensembling.rules.base import FIXED, RULES, Evidence, get_rule, smallest_within
from adapt.errors import RecipeError


def alpha_grid(count: int) -> list[float]:
    """Evenly spaced alphas from 0 to 1, both ends exact.

    >>> alpha_grid(3)
    [0.0, 0.5, 1.0]
    """
    if count < 2:
        raise RecipeError(f"ensemble.alphas - too few - {count} - give 2 or more")
    return [round(i / (count - 1), 6) for i in range(count)]


COARSE = 5
"""Points that are visited first."""


def coarse_points(grid: Sequence[float]) -> list[float]:
    """Five points of a grid, evenly spread, both ends among them; all of a smaller grid.

    >>> coarse_points(alpha_grid(11))
    [0.0, 0.2, 0.5, 0.8, 1.0]
    """
    last, count = len(grid) - 1, min(COARSE, len(grid))
    return [grid[round(place * last / max(count - 1, 1))] for place in range(count)]


def can_search(rule: str) -> bool:
    """Whether a few points of a line are enough for a rule.

    Log-likelihood and the mean over corruptions change smoothly along it. Accuracy on val alone
    goes up and down by single images, and one set of images is looked at quickly.

    >>> can_search("likelihood_gain"), can_search("val")
    (True, False)
    """
    looks = get_rule(rule)
    return looks.losses or looks.corruptions


def best_points(evidence: Evidence, rule: str) -> set[float]:
    """The best alphas by which a rule measures others, where it must know them exactly.

    Near its best point the likelihood is flat: what a coarse grid misses of it is next to nothing.

    Args:
        evidence: Of the points visited so far.
        rule: Name of the rule.
    """
    if not get_rule(rule).corruptions:
        return set()
    synthetic = {a: evidence.synthetic(a) or 0.0 for a in evidence.accuracy}
    return {smallest_within(evidence.accuracy), smallest_within(synthetic)}


def visit_towards(
    grid: Sequence[float], visit: Callable[[float], None], near: Callable[[], Iterable[float]]
) -> None:
    """Visit a few points of a grid, then the neighbours of those that matter until none is new.

    Accuracy along the line rises and falls slowly, so what a rule chooses in the end is what it
    would choose on the whole grid, or cannot be told from it.

    Args:
        grid: Ascending alphas.
        visit: Measures a point.
        near: The points that matter among those visited so far: what the rule takes, and the best.
    """
    visited: set[float] = set()

    def go(points: Iterable[float]) -> bool:
        new = [point for point in points if point not in visited]
        visited.update(new)
        for point in new:
            visit(point)
        return bool(new)

    more = go(coarse_points(grid))
    while more:
        places = [list(grid).index(point) for point in near()]
        more = go(sorted({p for place in places for p in grid[max(place - 1, 0) : place + 2]}))


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
    if chosen.groups and not evidence.by_group:
        raise RecipeError(
            f"ensemble.groups - no groups - the held-out images have none, and the rule {rule} "
            "looks at them - name a column of the table of training images, or take another rule"
        )
    if chosen.losses and not evidence.losses:
        raise RecipeError(f"ensemble.rule - lacks losses - {rule} - give losses with the evidence")
    if not chosen.can_use(evidence):
        raise RecipeError(
            f"ensemble.rule - lacks standard errors - {rule} - give synthetic_error with the "
            "evidence"
        )
    return chosen.choose(evidence)


def possible_rules(evidence: Evidence) -> tuple[str, ...]:
    """The rules that need no more than this evidence."""
    return tuple(name for name, rule in RULES.table().items() if rule.can_use(evidence))
