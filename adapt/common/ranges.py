"""What settings may be, declared once: the check and the advice of its message."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from adapt.common.words import listed, refuse


class Range(NamedTuple):
    """What one setting may be."""

    holds: Callable[[Any], bool]
    advice: str
    problem: str = "out of range"


def at_least(low: float, meaning: str = "") -> Range:
    """A number and all above it.

    Args:
        low: The lowest number.
        meaning: What it stands for, for the message.

    >>> at_least(0, "off").advice
    'give 0 (off) or more'
    """
    words = f"{low:g} ({meaning})" if meaning else f"{low:g}"
    return Range(lambda value: value >= low, f"give {words} or more")


def above(low: float = 0.0) -> Range:
    """All numbers above one.

    >>> above().advice
    'give a number above 0'
    """
    return Range(lambda value: value > low, f"give a number above {low:g}")


def fraction(zero: bool = True, one: bool = True) -> Range:
    """A fraction from 0 to 1.

    Args:
        zero: Whether it may be 0.
        one: Whether it may be 1.

    >>> fraction(one=False).advice
    'give a fraction of at least 0 and below 1'
    """
    low, high = "of at least 0" if zero else "above 0", "at most 1" if one else "below 1"
    return Range(
        lambda value: (value >= 0 if zero else value > 0) and (value <= 1 if one else value < 1),
        f"give a fraction {low} and {high}",
    )


def one_of(choices: Sequence[str]) -> Range:
    """One of some words.

    >>> one_of(("image", "text")).advice
    'choose one of image, text'
    """
    return Range(lambda value: value in choices, f"choose one of {listed(choices)}", "not known")


def or_none(given: Range) -> Range:
    """A range, or None where the value is to be chosen.

    >>> or_none(at_least(1)).advice
    'give null (choose) or 1 or more'
    """
    advice = f"give null (choose) or {given.advice.removeprefix('give ')}"
    return Range(lambda value: value is None or given.holds(value), advice, given.problem)


class Ranges(dict[str, Range]):
    """What each of several settings may be, by name."""

    def check(self, settings: object) -> None:
        """Refuse settings that are not what they may be.

        Args:
            settings: Their owner, such as a dataclass.

        Raises:
            ValueError: With one sentence for each such setting.
        """
        refuse(
            [
                f"{name} - {given.problem} - {getattr(settings, name)!r} - {given.advice}"
                for name, given in self.items()
                if not given.holds(getattr(settings, name))
            ]
        )
