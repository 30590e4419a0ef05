"""Limits on groups for `--fail-if`: the language of `adapt diff`, other quantities."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapt.common.words import listed
from adapt.comparison.limits import COUNT, PERCENT, POINTS, SIGNS, Limit, Quantity, parse_limit
from adapt.errors import RecipeError, did_you_mean
from adapt.explore.audit.measures import clear_gaps

Content = Mapping[str, Any]
FEW = "no group is large enough to be judged"
NO_START = f"the start of the model is not known, or {FEW}"


def _accuracies(column: Content) -> list[Content]:
    return [group["model"]["accuracy"] for group in column["groups"] if not group["small"]]


def _worst_group(column: Content) -> float | None:
    return min((100 * float(own["value"]) for own in _accuracies(column)), default=None)


def _worst_low(column: Content) -> float | None:
    return min((100 * float(own["ci"][0]) for own in _accuracies(column)), default=None)


def _worst_recall(column: Content) -> float | None:
    rows = (row["model"] for row in column["recalls"] if not row["small"])
    return min((100 * float(own["value"]) for own in rows), default=None)


def _gap(place: int | None) -> Callable[[Content], float | None]:
    def read(column: Content) -> float | None:
        own = column["spread"]
        if own is None:
            return None
        return 100 * float(own["difference"] if place is None else own["ci"][place])

    return read


def _worst_change(column: Content) -> float | None:
    groups = (group for group in column["groups"] if not group["small"] and group["change"])
    return min((100 * float(group["change"]["difference"]) for group in groups), default=None)


def _below(column: Content) -> int | None:
    if not any(row["gap"] for row in (*column["groups"], *column["recalls"])):
        return None  # nothing was compared: no count at all, and not a good one
    told = clear_gaps(dict(column))
    return len(told["below"]) + len(told["recalls_below"])


def _extra(column: Content) -> float | None:
    rows = (row for row in column["extra"] if not row["small"])
    return max((100 * float(row["model"]["value"]) for row in rows), default=None)


def _extra_above(column: Content) -> int | None:
    gaps = [row["gap"] for row in column["extra"] if row["gap"]]
    return sum(gap["clear"] and gap["difference"] > 0 for gap in gaps) if gaps else None


ALONE = "no group is large enough to be compared with others"
NO_EXTRA = f"there are no further classes (--extra-classes), or {FEW}"
QUANTITIES = {
    "worst_group": Quantity("lowest accuracy of a group", PERCENT, _worst_group, FEW),
    "worst_low": Quantity(
        "lowest lower end of the 95 % interval of a group's accuracy", PERCENT, _worst_low, FEW
    ),
    "worst_recall": Quantity(
        "lowest recall of a class in a group", PERCENT, _worst_recall, "no class has images enough"
    ),
    "gap": Quantity("best minus worst group", POINTS, _gap(None), "fewer than two groups"),
    "gap_low": Quantity(
        "lower end of the interval of that gap", POINTS, _gap(0), "fewer than two groups"
    ),
    "worst_change": Quantity(
        "lowest change of a group's accuracy against the start", POINTS, _worst_change, NO_START
    ),
    "below": Quantity(
        "groups, and classes in groups, clearly below the others", COUNT, _below, ALONE
    ),
    "extra": Quantity(
        "highest share of a group that is answered with a further class", PERCENT, _extra, NO_EXTRA
    ),
    "extra_above": Quantity(
        "further classes in groups, clearly more often than elsewhere",
        COUNT,
        _extra_above,
        NO_EXTRA,
    ),
}
LOWEST = ("worst_group", "worst_low", "worst_recall", "worst_change")
"""Of several columns the lowest value counts; of other quantities the highest."""


def read_limits(texts: Sequence[str], columns: Sequence[str]) -> list[Limit]:
    """Read limits such as `worst_group < 80` or `site.gap > 10`, before anything is computed.

    Args:
        texts: As given.
        columns: Whose names may stand in front of a quantity.

    Raises:
        RecipeError: When one is not of this form, or names no quantity or column.
    """
    limits = [parse_limit(text, QUANTITIES) for text in texts]
    for limit in limits:
        if limit.set is not None and limit.set not in columns:
            raise RecipeError(
                f"--fail-if - no such column - {limit.set!r} in {limit.text!r}"
                f"{did_you_mean(limit.set, columns)} - use one of {listed(columns)}"
            )
    return limits


def judged(limit: Limit, columns: Mapping[str, Content]) -> dict[str, Any]:
    """Whether a limit fails; for `audit.json`.

    Args:
        limit: From `read_limits`.
        columns: Of the audit; without a column in the limit the worst of all counts.

    Raises:
        RecipeError: When the quantity is not defined: a limit that cannot be judged is not kept.
    """
    quantity = QUANTITIES[limit.quantity]
    chosen = [limit.set] if limit.set is not None else list(columns)
    values = [value for name in chosen if (value := quantity.read(columns[name])) is not None]
    if not values:
        raise RecipeError(
            f"--fail-if - cannot be judged - {limit.text!r}: {quantity.missing} - leave it out, or "
            "give more images"
        )
    value = min(values) if limit.quantity in LOWEST else max(values)
    failed = SIGNS[limit.sign](value, limit.number)
    return {"limit": limit.text, "value": float(value), "unit": quantity.unit, "failed": failed}
