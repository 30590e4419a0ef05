"""Values of JSON files and CSV cells: what is missing, null or not finite is None, never 0."""

from collections.abc import Mapping, Sequence
from typing import Any

Interval = tuple[float, float]


def number(value: object) -> float | None:
    """The finite number that a cell or a JSON value holds, or None.

    >>> number("0.5"), number(""), number(float("nan")), number(None)
    (0.5, None, None, None)
    """
    if value is None or isinstance(value, bool):
        return None
    try:
        parsed = float(str(value))
    except ValueError:
        return None
    return parsed if abs(parsed) < float("inf") else None


def mapping(value: object) -> Mapping[str, Any]:
    """A stored JSON object; empty where it is absent, null or something else.

    >>> mapping({"n": 3}), mapping(None), mapping([1])
    ({'n': 3}, {}, {})
    """
    return value if isinstance(value, Mapping) else {}


def interval(values: object) -> Interval | None:
    """A stored `[low, high]`, or None.

    >>> interval([0.1, 0.2]), interval([0.1, None]), interval(None)
    ((0.1, 0.2), None, None)
    """
    if not isinstance(values, Sequence) or len(values) != 2:
        return None
    low, high = number(values[0]), number(values[1])
    return None if low is None or high is None else (low, high)


def mean(values: Sequence[float | None]) -> float | None:
    """Arithmetic mean; None when there are no values or one of them is missing.

    >>> mean([1.0, 2.0]), mean([]), mean([1.0, None])
    (1.5, None, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
