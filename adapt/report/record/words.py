"""Stored numbers and lists in words; what is not known is written `n/a`."""

from collections.abc import Sequence

from adapt.report.record.values import Interval, number


def percent(stored: object) -> str:
    """A fraction in percent.

    >>> percent(0.8125), percent(None)
    ('81.2 %', 'n/a')
    """
    value = number(stored)
    return "n/a" if value is None else f"{100 * value:.1f} %"


def short_percent(stored: object) -> str:
    """A fraction that somebody chose, in percent without needless decimal places.

    >>> short_percent(0.9), short_percent(0.975), short_percent(None)
    ('90 %', '97.5 %', 'n/a')
    """
    value = number(stored)
    return "n/a" if value is None else f"{100 * value:.4g} %"


def points(stored: object) -> str:
    """A difference of fractions in percentage points, always with its sign.

    >>> points(0.0312), points(-0.02), points(-0.0001), points(None)
    ('+3.1', '-2.0', '+0.0', 'n/a')
    """
    value = number(stored)
    return "n/a" if value is None else f"{round(100 * value, 1) + 0.0:+.1f}"


def size(change: float) -> str:
    """A difference in words, without its sign.

    >>> size(-0.031), size(0.01)
    ('3.1 points', '1.0 point')
    """
    text = f"{abs(round(100 * change, 1)):.1f}"
    return f"{text} point" if text == "1.0" else f"{text} points"


def decimal(stored: object, places: int = 3) -> str:
    """A number with a fixed count of decimal places."""
    value = number(stored)
    return "n/a" if value is None else f"{value:.{places}f}"


def count(stored: object) -> str:
    """A stored count.

    >>> count(12), count(None)
    ('12', 'n/a')
    """
    value = number(stored)
    return "n/a" if value is None else f"{value:.0f}"


def span(bounds: Interval | None) -> str:
    """An interval of fractions in percent; empty when there is none.

    >>> span((0.1, 0.25)), span(None)
    ('10.0 to 25.0', '')
    """
    return "" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def signed_span(bounds: Interval | None) -> str:
    """An interval of a difference in points, with signs; empty when there is none.

    >>> signed_span((-0.01, 0.025)), signed_span(None)
    ('-1.0 to +2.5', '')
    """
    return "" if bounds is None else f"{points(bounds[0])} to {points(bounds[1])}"


def shorten(text: str, length: int = 28) -> str:
    """Cut a long name in the middle, so that both ends can still tell it apart.

    >>> shorten("abcdefghij", 7)
    'abc…hij'
    """
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    head = length // 2
    return f"{text[:head]}…{text[len(text) - (length - head - 1) :]}"


def enumerated(names: Sequence[str], most: int = 5) -> str:
    """A list for a sentence, cut after a few names."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
