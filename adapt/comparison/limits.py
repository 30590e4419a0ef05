"""Limits that a new model must keep, for `--fail-if`: a small language, read strictly.

A limit is `QUANTITY COMPARISON NUMBER`, such as `broken > 1%` or `accuracy < -0.5`; in front of the
quantity may stand the name of a set, as in `sketch.accuracy < -1`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from adapt.common.words import listed
from adapt.errors import RecipeError, did_you_mean

Content = Mapping[str, Any]
Value = Fraction | float
POINTS, IMAGES, CHANCE, CHANGE, CLASSES = "points", "images", "probability", "change", "classes"
COUNT, PERCENT = "count", "percent"
FORM = re.compile(
    r"\s*(?:(?P<set>[\w-]+)\.)?(?P<quantity>\w+)\s*(?P<sign><=|>=|<|>)"
    r"\s*(?P<number>[-+]?\d+(?:\.\d+)?)\s*(?P<unit>%|points?|images?|classes)?\s*"
)
SIGNS: dict[str, Callable[[Value, Value], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
UNITS = {
    POINTS: (("", "point", "points"), "percentage points, such as -0.5"),
    IMAGES: (("", "image", "images", "%"), "images, such as 3, or their share, such as 1%"),
    CHANCE: (("",), "a probability from 0 to 1, such as 0.05"),
    CHANGE: (("%",), "a change against A in percent, such as 10%"),
    CLASSES: (("", "classes"), "classes, such as 0.5"),
    COUNT: (("",), "a count, such as 0"),
    PERCENT: (("", "%"), "percent, such as 80"),
}


@dataclass(frozen=True)
class Quantity:
    """Something that can be limited.

    Attributes:
        what: In a few words.
        unit: One of `UNITS`.
        read: Reads it from the measures of one set; None comes back where it is not defined.
        missing: Why it may be undefined.
        whole: Whether it is read from the whole comparison instead: no single set has it.
    """

    what: str
    unit: str
    read: Callable[[Content], Value | None]
    missing: str = "it is not defined on these images"
    whole: bool = False


@dataclass(frozen=True)
class Limit:
    """One limit; see `parse_limit`."""

    text: str
    quantity: str
    sign: str
    number: Fraction
    unit: str
    set: str | None = None


def _difference(row: Content) -> Fraction:
    return 100 * Fraction(row["fixed"] - row["broken"], row["n"])


def _end(place: int) -> Callable[[Content], Value | None]:
    return lambda own: 100 * float(own["accuracy"]["ci"][place])


def _metric(name: str) -> Callable[[Content], Value | None]:
    def change(own: Content) -> Value | None:
        before, after = (own["scores"][side][name] for side in ("a", "b"))
        return None if before is None or after is None else 100 * (after - before)

    return change


def _stored(part: str, name: str, factor: float = 100) -> Callable[[Content], Value | None]:
    def change(own: Content) -> Value | None:
        stored = own[part]
        return None if stored is None else factor * (stored["b"][name] - stored["a"][name])

    return change


def _worst_class(own: Content) -> Value | None:
    return min((_difference(row) for row in own["per_class"] if row["ranked"]), default=None)


def _worst_group(own: Content) -> Value | None:
    rows = [row for table in own["groups"].values() for row in table if row["ranked"]]
    return min(map(_difference, rows), default=None)


def _shifts(content: Content) -> list[Fraction]:
    names = [name for name in content["sets"] if name != content["main"]]
    return [_difference(content["sets"][name]["accuracy"]) for name in names]


def _shift_mean(content: Content) -> Value | None:
    values = _shifts(content)
    return sum(values, Fraction()) / len(values) if values else None


def _latency(content: Content) -> Value | None:
    measured = content["latency"]
    return None if measured is None else 100 * float(measured["single"]["change"])


def _size(content: Content) -> Value | None:
    before, after = (content[side]["bytes"] for side in ("a", "b"))
    return 100 * (Fraction(after, before) - 1) if before and after else None


NO_SHIFTS = "there are no shifts: add --shift NAME=DATA"
FEW = "none has 20 images or more"
BOTH = "not both models store a threshold for it"
QUANTITIES = {
    "accuracy": Quantity("B - A", POINTS, lambda own: _difference(own["accuracy"])),
    "accuracy_low": Quantity("lower end of its 95 % interval", POINTS, _end(0)),
    "accuracy_high": Quantity("upper end of its 95 % interval", POINTS, _end(1)),
    "balanced_accuracy": Quantity(
        "B - A, mean recall of the classes", POINTS, _metric("balanced_accuracy")
    ),
    "broken": Quantity(
        "images that A gets right and B wrong", IMAGES, lambda own: own["accuracy"]["broken"]
    ),
    "fixed": Quantity(
        "images that A gets wrong and B right", IMAGES, lambda own: own["accuracy"]["fixed"]
    ),
    "p": Quantity("exact McNemar test, two-sided", CHANCE, lambda own: own["accuracy"]["p"]),
    "p_worse": Quantity(
        "the same, one-sided: small where B is worse",
        CHANCE,
        lambda own: own["accuracy"]["p_worse"],
    ),
    "worst_class": Quantity(
        "lowest B - A among classes of 20 images or more", POINTS, _worst_class, FEW
    ),
    "worst_group": Quantity(
        "lowest B - A among groups of 20 images or more", POINTS, _worst_group, FEW
    ),
    "ece": Quantity("B - A, calibration error", POINTS, _metric("ece")),
    "answered": Quantity(
        "B - A, share of images that are answered", POINTS, _stored("answered", "coverage"), BOTH
    ),
    "coverage": Quantity(
        "B - A, share of sets with the true class", POINTS, _stored("sets", "coverage"), BOTH
    ),
    "set_size": Quantity("B - A, mean size of the sets", CLASSES, _stored("sets", "size", 1), BOTH),
    "shift_mean": Quantity(
        "B - A, accuracy, mean over the shifts", POINTS, _shift_mean, NO_SHIFTS, True
    ),
    "worst_shift": Quantity(
        "lowest B - A, accuracy, among the shifts",
        POINTS,
        lambda content: min(_shifts(content), default=None),
        NO_SHIFTS,
        True,
    ),
    "latency": Quantity(
        "time for one image, B against A", CHANGE, _latency, "latency was not measured", True
    ),
    "size": Quantity(
        "size on disk, B against A", CHANGE, _size, "a model has no folder of its own", True
    ),
}


def parse_limit(text: str, quantities: Mapping[str, Quantity] = QUANTITIES) -> Limit:
    """Read a limit.

    Args:
        text: `[SET.]QUANTITY COMPARISON NUMBER[UNIT]`; the comparison is one of < <= > >=.
        quantities: What can be limited, by name.

    Raises:
        RecipeError: When it is not of this form, names no quantity, or the unit does not fit.

    >>> limit = parse_limit("broken > 1%")
    >>> limit.quantity, limit.sign, str(limit.number), limit.unit
    ('broken', '>', '1', '%')
    """
    form = FORM.fullmatch(text)
    if form is None:
        raise RecipeError(
            f"--fail-if - not a limit - {text!r} - write QUANTITY < NUMBER (or <=, >, >=); the "
            f"quantities are {listed(list(quantities))}"
        )
    name, unit = form["quantity"], form["unit"] or ""
    if name not in quantities:
        raise RecipeError(
            f"--fail-if - no such quantity - {name!r} in {text!r}{did_you_mean(name, quantities)} "
            f"- use one of {listed(list(quantities))}"
        )
    quantity = quantities[name]
    allowed, words = UNITS[quantity.unit]
    number = Fraction(form["number"])
    if unit not in allowed or (quantity.unit == CHANCE and not 0 <= number <= 1):
        given = f"{form['number']}{unit} in {text!r}"
        raise RecipeError(f"--fail-if - not in the unit of {name} - {given} - give {words}")
    if form["set"] is not None and quantity.whole:
        raise RecipeError(
            f"--fail-if - {name} is of no single set - {text!r} - leave {form['set']}. out"
        )
    return Limit(text.strip(), name, form["sign"], number, unit, form["set"])


def check_limits(limits: Sequence[Limit], sets: Sequence[str], no_latency: str) -> None:
    """Refuse limits that cannot be judged, before anything is computed.

    Args:
        limits: From `parse_limit`.
        sets: Names of the sets that are compared, the test set first.
        no_latency: Why latency is not measured; empty where it is.

    Raises:
        RecipeError: When a limit names no set, or is about shifts or latency and there are none.
    """
    for limit in limits:
        if limit.set is not None and limit.set not in sets:
            raise RecipeError(
                f"--fail-if - no such set - {limit.set!r} in {limit.text!r}"
                f"{did_you_mean(limit.set, sets)} - use one of {listed(sets)}"
            )
        if "shift" in limit.quantity and len(sets) < 2:
            raise _not_judged(limit, NO_SHIFTS)
        if limit.quantity == "latency" and no_latency:
            raise _not_judged(limit, f"latency is not measured, since {no_latency}")


def judged(
    limit: Limit, content: Content, quantities: Mapping[str, Quantity] = QUANTITIES
) -> dict[str, Any]:
    """Whether a limit fails; for `diff.json`.

    Args:
        limit: From `parse_limit`.
        content: Of a comparison.
        quantities: What can be limited, by name.

    Raises:
        RecipeError: When the quantity is not defined on these images: a limit that cannot be
            judged is not kept.
    """
    quantity = quantities[limit.quantity]
    own = content["sets"][limit.set or content["main"]]
    value = quantity.read(content if quantity.whole else own)
    if value is None:
        raise _not_judged(limit, quantity.missing)
    if limit.unit == "%" and quantity.unit == IMAGES:
        value = 100 * Fraction(value) / own["accuracy" if "accuracy" in own else "images"]["n"]
    failed = SIGNS[limit.sign](value, limit.number)
    unit = "%" if limit.unit == "%" else quantity.unit
    return {"limit": limit.text, "value": float(value), "unit": unit, "failed": failed}


def _not_judged(limit: Limit, reason: str) -> RecipeError:
    return RecipeError(
        f"--fail-if - cannot be judged - {limit.text!r}: {reason} - leave it out, or compare what "
        "it is about"
    )
