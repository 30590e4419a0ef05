"""What settings may be, declared once: the check, the advice of its message, and JSON Schema."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adapt.common.words import listed, refuse
from adapt.errors import did_you_mean

MOST = 1_000_000
"""The largest number that a setting takes where nothing lower is said."""


@dataclass(frozen=True)
class Range:
    """What one setting may be."""

    holds: Callable[[Any], bool]
    advice: str
    problem: str = "out of range"
    schema: Mapping[str, Any] = field(default_factory=dict)
    """The same as JSON Schema; empty where it cannot say it."""

    def sentence(self, name: str, value: Any) -> str:
        """What to say of a value that is not what it may be."""
        hint = did_you_mean(value, self.words()) if isinstance(value, str) else ""
        return f"{name} - {self.problem}{hint} - {value!r} - {self.advice}"

    def words(self) -> list[str]:
        """The words it may be, if these can be listed."""
        choices = self.schema.get("enum") or self.schema.get("items", {}).get("enum") or []
        return [word for word in choices if isinstance(word, str)]


def at_least(low: float, meaning: str = "", most: float = MOST) -> Range:
    """A number and those above it.

    Args:
        low: The lowest number.
        meaning: What it stands for, for the message.
        most: The highest number.

    >>> at_least(0, "off").advice
    'give 0 (off) or more, at most 1,000,000'
    """
    words = f"{low:g} ({meaning})" if meaning else f"{low:g}"
    return Range(
        lambda value: low <= value <= most,
        f"give {words} or more, at most {most:,}",
        schema={"minimum": low, "maximum": most},
    )


def above(low: float = 0.0, most: float = MOST) -> Range:
    """All numbers above one.

    >>> above().advice
    'give a number above 0, at most 1,000,000'
    """
    return Range(
        lambda value: low < value <= most,
        f"give a number above {low:g}, at most {most:,}",
        schema={"exclusiveMinimum": low, "maximum": most},
    )


def within(low: float, high: float, what: str = "") -> Range:
    """A number between two, these included.

    Args:
        low: The lowest number.
        high: The highest.
        what: What is counted, for the message.

    >>> within(2, 100, "draws").advice
    'give 2 to 100 draws'
    """
    advice = f"give {low:g} to {high:.10g}" + (f" {what}" if what else "")
    return Range(
        lambda value: low <= value <= high, advice, schema={"minimum": low, "maximum": high}
    )


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
        schema={
            "minimum" if zero else "exclusiveMinimum": 0,
            "maximum" if one else "exclusiveMaximum": 1,
        },
    )


def one_of(choices: Iterable[str]) -> Range:
    """One of some words; a whole number is taken for its word.

    >>> one_of(("image", "text")).sentence("encoder", "txt")
    "encoder - not known, did you mean 'text'? - 'txt' - choose one of image, text"
    """
    words = list(choices)
    numbers = [int(word) for word in words if word.isdigit() and str(int(word)) == word]
    return Range(
        lambda value: value in words,
        f"choose one of {listed(words)}",
        "not known",
        {"enum": [*words, *numbers]},
    )


def some_of(choices: Iterable[str], least: int = 0) -> Range:
    """A list of some words, each once.

    Args:
        choices: The words.
        least: How many it must hold.

    >>> some_of(("html", "md")).sentence("formats", ["html", "mdd"])
    "formats[1] - not known, did you mean 'md'? - 'mdd' - choose from html, md"
    """
    words = list(choices)
    return _SomeOf(
        lambda value: set(value) <= set(words) and len(set(value)) == len(value) >= least,
        f"choose from {listed(words)}",
        "not known",
        {"items": {"enum": words}, "uniqueItems": True, "minItems": least},
    )


class _SomeOf(Range):
    """Says what is wrong with a list: an unknown word, one that is there twice, or too few."""

    def sentence(self, name: str, value: Any) -> str:
        known = one_of(self.words())
        wrong = [
            Range(known.holds, self.advice, self.problem, known.schema).sentence(
                f"{name}[{place}]", word
            )
            for place, word in enumerate(value)
            if not known.holds(word)
        ]
        if wrong:
            return "\n".join(wrong)
        if _twice(value):
            return f"{name} - listed twice - {value} - give each once"
        return f"{name} - empty - {value} - {self.advice}"


def each(given: Range, once: bool = False, least: int = 0) -> Range:
    """A list of which each item is in a range.

    Args:
        given: The range of the items.
        once: Whether no item may be there twice.
        least: How many there must be.

    >>> each(within(1, 5)).sentence("severity", [1, 6])
    'severity[1] - out of range - 6 - give 1 to 5'
    """
    return _Each(
        lambda value: (
            len(value) >= least and all(map(given.holds, value)) and not (once and _twice(value))
        ),
        given.advice,
        given.problem,
        {
            "items": dict(given.schema),
            "minItems": least,
            **({"uniqueItems": True} if once else {}),
        },
    )


def _twice(value: Sequence[Any]) -> bool:
    return len(set(value)) < len(value)


class _Each(Range):
    """Says which item of a list is wrong, or that one is there twice."""

    def sentence(self, name: str, value: Any) -> str:
        if len(value) < self.schema["minItems"]:
            return f"{name} - empty - {value} - give at least {self.schema['minItems']}"
        items = Range(self.holds, self.advice, self.problem, self.schema["items"])
        wrong = [
            items.sentence(f"{name}[{place}]", item)
            for place, item in enumerate(value)
            if not self.holds([item])
        ]
        return "\n".join(wrong) or f"{name} - listed twice - {value} - give each once"


def matching(pattern: str, advice: str, problem: str) -> Range:
    """A text of some form.

    Args:
        pattern: Regular expression for all of it, of the kind that JSON Schema knows too.
        advice: What to do.
        problem: What is wrong with any other.

    >>> matching("[a-z]+", "use small letters", "not small letters").holds("A")
    False
    """
    form = re.compile(pattern)
    return Range(
        lambda value: form.fullmatch(str(value)) is not None,
        advice,
        problem,
        {"pattern": f"^(?:{pattern})$"}
        # A whole number stands for its text, of which a pattern says nothing.
        | ({"minimum": 0} if form.fullmatch("1") else {"type": "string"}),
    )


def not_empty(advice: str = "give a value or remove the key") -> Range:
    """A text with more than white space, or a list that holds something.

    >>> not_empty().sentence("group", " ")
    "group - empty - ' ' - give a value or remove the key"
    """
    return Range(
        lambda value: bool(value.strip() if isinstance(value, str) else value),
        advice,
        "empty",
        {"pattern": r"\S", "minItems": 1},
    )


def or_none(given: Range, meaning: str = "choose") -> Range:
    """A range, or None where the value is to be chosen.

    Args:
        given: The range.
        meaning: What None stands for; empty where it is not worth saying.

    >>> or_none(at_least(1)).advice
    'give null (choose) or 1 or more, at most 1,000,000'
    """
    rest = given.advice.removeprefix("give ")
    schema = dict(given.schema)
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return replace(  # also a range of lists stays what it is
        given,
        holds=lambda value: value is None or given.holds(value),
        advice=f"give null ({meaning}) or {rest}"
        if meaning and rest != given.advice
        else given.advice,
        schema=schema,
    )


class Ranges(dict[str, Range]):
    """What each of several settings may be, by name."""

    def check(self, settings: object, more: Sequence[str] = ()) -> None:
        """Refuse settings that are not what they may be.

        Args:
            settings: Their owner, such as a dataclass.
            more: Sentences about what no range can say.

        Raises:
            ValueError: With one sentence for each such setting.
        """
        refuse(
            [
                given.sentence(name.rstrip("_"), getattr(settings, name))
                for name, given in self.items()
                if not given.holds(getattr(settings, name))
            ]
            + list(more)
        )


def ranges_of(schema: type) -> Ranges:
    """What the fields of a settings dataclass may be; a class adds to what its bases say.

    >>> ranges_of(int)
    {}
    """
    ranges = Ranges()
    for base in reversed(schema.__mro__):
        own = vars(base).get("ranges")
        if isinstance(own, Ranges):
            ranges.update(own)
    return ranges
