"""A split at a point in time: the newest images are held out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone

import numpy as np

from adapt.errors import RecipeError

# `datetime.fromisoformat` reads fewer forms than these on Python 3.10, and weeks and more since.
ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})"
    r"(?:[T ](\d{2}:\d{2})(?:(:\d{2})(?:[.,](\d+))?)?\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)


@dataclass(frozen=True)
class Moment:
    """A date as it was written, and the instant if a time of day is given with it."""

    day: date
    """The day as written, in its own time zone."""
    instant: datetime | None = None
    """In UTC where a time zone was given, without one otherwise; None for a day alone."""


def read_moment(text: str) -> Moment | None:
    """A date or timestamp of ISO 8601, such as `2024-05-31` or `2024-05-31T18:00:00+02:00`.

    Fractions of a second are read to the microsecond.

    Returns:
        The moment, or None when the text is none.
    """
    match = ISO.fullmatch(text.strip())
    if match is None:
        return None
    day, clock, seconds, fraction, zone = match.groups()
    try:
        written = date.fromisoformat(day)
        if clock is None:
            return Moment(written)
        clock += f"{seconds or ':00'}.{fraction or '':0<6.6}{_offset(zone)}"
        instant = datetime.fromisoformat(f"{day}T{clock}")
        if zone is not None:
            instant = instant.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    return Moment(written, instant)


def _offset(zone: str | None) -> str:
    """A time zone as Python 3.10 reads it: `+02:00`."""
    if zone is None:
        return ""
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return f"{'+' if zone == 'Z' else zone[0]}{digits[:2]}:{digits[2:]}"


def in_order(moments: Sequence[Moment]) -> tuple[list[str], int | None]:
    """Texts that sort as the moments do.

    Where each has a time of day, they are instants; where one has none, all are whole days as they
    were written, for the instants would cut that day.

    Returns:
        One text per moment, and the position of the first that cannot be compared with those
        before it: with a time zone among times without, or the other way round. None if all can.

    >>> in_order([Moment(date(2024, 5, 31)), read_moment("2024-01-01 10:00")])
    (['2024-05-31', '2024-01-01'], None)
    """
    instants = [moment.instant for moment in moments if moment.instant is not None]
    if len(instants) < len(moments):
        return [moment.day.isoformat() for moment in moments], None
    for index, instant in enumerate(instants):
        if (instant.tzinfo is None) != (instants[0].tzinfo is None):
            return [], index
    return [instant.isoformat(timespec="microseconds") for instant in instants], None


@dataclass(frozen=True)
class DateCut:
    """Where the newest images were cut off."""

    train: np.ndarray
    """Sorted indices, int64."""
    val: np.ndarray
    """Sorted indices, int64; empty when there is only one date."""
    first: str
    """The first date that is held out."""
    late: list[str]
    """Classes with no image before it: they are in train all the same."""


def cut_by_date(
    dates: Sequence[str],
    labels: Sequence[str],
    fraction: float,
    groups: Sequence[str] | None = None,
) -> DateCut:
    """Hold out the newest images, cut between two dates so that their fraction comes nearest.

    Equal dates are never cut. A group has the date of its newest image and goes to one side as a
    whole. A class whose images are all newer than the cut could not be learned: it goes to train,
    with its groups.

    Args:
        dates: Date of each image, as texts that sort by time (see `in_order`).
        labels: Class of each image.
        fraction: Fraction to hold out, above 0 and below 1.
        groups: Group of each image, or None.

    Returns:
        Both sides, the cut, and the classes that had to be moved.

    Raises:
        RecipeError: When the fraction or a length is wrong.
    """
    if not 0 < fraction < 1:
        raise RecipeError(
            f"fraction - out of range - {fraction!r} - give a fraction above 0 and below 1"
        )
    units = [str(index) for index in range(len(labels))] if groups is None else list(groups)
    if not len(dates) == len(labels) == len(units):
        given = f"{len(dates)} dates and {len(units)} groups for {len(labels)} labels"
        raise RecipeError(f"dates - wrong length - {given} - give one per label")
    newest: dict[str, str] = {}
    for unit, day in zip(units, dates, strict=True):
        newest[unit] = max(day, newest.get(unit, day))
    when = np.array([newest[unit] for unit in units])
    steps, counts = np.unique(when, return_counts=True)
    held = np.zeros(len(labels), dtype=bool)
    first, late = "", set[str]()
    if len(steps) > 1:
        sizes = counts[::-1].cumsum()[:-1]  # images held out with the newest 1, 2, ... dates
        nearest = int(np.abs(sizes - fraction * len(labels)).argmin())
        first = str(steps[len(steps) - 1 - nearest])
        held = when >= first
        late = set(labels) - {label for label, out in zip(labels, held, strict=True) if not out}
        moved = {unit for unit, label in zip(units, labels, strict=True) if label in late}
        held &= np.array([unit not in moved for unit in units])
    return DateCut(np.flatnonzero(~held), np.flatnonzero(held), first, sorted(late))
