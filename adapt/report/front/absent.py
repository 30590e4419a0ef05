"""What a run did not measure, in one line."""

from collections.abc import Iterable

from adapt.report.record.read import Absent
from adapt.report.record.words import enumerated

NAMED = 12
"""Titles with one reason that are named."""


def not_measured(absent: Iterable[Absent]) -> str:
    """All that is absent with the reasons, as one line; empty where nothing is.

    >>> not_measured([Absent("Groups", "no column"), Absent("Sets", "none"), Absent("Map", "none")])
    'Groups (no column); Sets and Map (none).'
    """
    titles: dict[str, list[str]] = {}
    for part in absent:
        titles.setdefault(part.reason, []).append(part.title)
    parts = [f"{enumerated(names, NAMED)} ({reason})" for reason, names in titles.items()]
    return "; ".join(parts) + "." if parts else ""
