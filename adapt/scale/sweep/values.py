"""The words `key=a,b,c` of a sweep: keys of a recipe, and the values that each is to take."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapt.common.words import first_few
from adapt.errors import RecipeError
from adapt.recipe.text import Problems, read_yaml

SEED = "seed"
"""The key whose values are repetitions of a setting, not settings of their own."""
SPAN = re.compile(r"(-?\d+)\.\.(-?\d+)")
MOST_OF_A_SPAN = 1000
OPENING, CLOSING, QUOTES = "[{(", "]})", "\"'"


@dataclass(frozen=True)
class SweptKey:
    """A key of the recipe and the values that it takes, one after the other."""

    key: str
    texts: tuple[str, ...]
    """The values as overrides write them."""
    values: tuple[Any, ...] = field(compare=False)
    """The same, typed by YAML."""


@dataclass(frozen=True)
class SweepWords:
    """The words of a sweep, told apart."""

    swept: tuple[SweptKey, ...]
    """In the order given; the last one changes fastest."""
    overrides: tuple[str, ...] = ()
    """What is the same in every run."""

    @property
    def settings(self) -> tuple[SweptKey, ...]:
        """The keys that make a setting: all but the seed."""
        return tuple(swept for swept in self.swept if swept.key != SEED)

    @property
    def seeds(self) -> SweptKey | None:
        """The seeds that each setting is run with, if there are several."""
        return next((swept for swept in self.swept if swept.key == SEED), None)


def read_words(overrides: Sequence[str]) -> SweepWords:
    """Tell keys with several values from overrides that hold for every run.

    Args:
        overrides: Texts `key=a,b,c`, `key=value` and `~key`. A comma inside of brackets, braces or
            quotes belongs to its value; `0..4` stands for the whole numbers from 0 to 4.

    Raises:
        RecipeError: Lists every word that is wrong: a key that is given twice, an empty value, a
            value that is given twice, brackets that do not close; or no key has several values.

    >>> read_words(["method.optim.lr=1e-4,1e-3", "seed=0..2", "data.balance=sqrt"]).settings
    (SweptKey(key='method.optim.lr', texts=('1e-4', '1e-3'), values=(0.0001, 0.001)),)
    """
    swept, same, wrong, keys = [], [], [], set()
    for word in overrides:
        key, equals, rest = word.partition("=")
        key = key.strip()
        if equals and not key.startswith("~"):
            if key in keys:
                wrong.append(f"{key} - given twice - {word} - write all its values in one word")
            keys.add(key)
            try:
                read = _swept_key(key, rest)
            except ValueError as error:
                wrong.append(str(error))
                continue
            if len(read.texts) > 1:
                swept.append(read)
                continue
        same.append(word)
    return _checked(swept, same, wrong)


def from_values(values: Mapping[str, Sequence[Any]], overrides: Sequence[str]) -> SweepWords:
    """The same from Python values.

    Args:
        values: The values of each key.
        overrides: Texts `key=value`, the same in every run.

    Raises:
        RecipeError: See `read_words`.

    >>> from_values({"method.name": ["full", "lora"]}, ["seed=1"]).swept[0].texts
    ('full', 'lora')
    """
    swept, wrong = [], []
    for key, given in values.items():
        if isinstance(given, str) or not isinstance(given, Sequence):
            wrong.append(f"{key} - not a list of values - {given!r} - give a list")
            continue
        texts = tuple(_as_text(value) for value in given)
        try:
            swept.append(_distinct(key, texts))
        except ValueError as error:
            wrong.append(str(error))
    given_keys = {word.partition("=")[0].strip() for word in overrides}
    wrong += [
        f"{one.key} - given twice - as values and as an override - give it once"
        for one in swept
        if one.key in given_keys
    ]
    alone = [f"{one.key}={one.texts[0]}" for one in swept if len(one.texts) == 1]
    several = [one for one in swept if len(one.texts) > 1]
    return _checked(several, [*overrides, *alone], wrong)


def _checked(swept: list[SweptKey], same: list[str], wrong: list[str]) -> SweepWords:
    if wrong:
        raise RecipeError("\n".join(wrong))
    if not swept:
        raise RecipeError(
            "sweep - no key has several values - "
            f"given {first_few(same) if same else 'none'} - write key=a,b,c, such as "
            "method.optim.lr=1e-4,3e-4 or seed=0..4"
        )
    return SweepWords(tuple(swept), tuple(same))


def _swept_key(key: str, text: str) -> SweptKey:
    if match := SPAN.fullmatch(text.strip()):
        first, last = int(match[1]), int(match[2])
        step = 1 if last >= first else -1
        if abs(last - first) >= MOST_OF_A_SPAN:
            todo = f"give at most {MOST_OF_A_SPAN}"
            raise ValueError(f"{key} - too many values - given {text} - {todo}")
        return _distinct(key, tuple(str(number) for number in range(first, last + step, step)))
    return _distinct(key, tuple(split_values(text, key)))


def _distinct(key: str, texts: tuple[str, ...]) -> SweptKey:
    if not texts:
        raise ValueError(f"{key} - no values - given an empty list - give some")
    problems = Problems()
    values = tuple(read_yaml(text, problems, key, "command line") for text in texts)
    if problems.noted:
        raise ValueError("\n".join(problems.lines()))
    seen: dict[str, str] = {}
    for text, value in zip(texts, values, strict=True):
        same = json.dumps(value, sort_keys=True)
        if same in seen:
            raise ValueError(
                f"{key} - the same value twice - given {seen[same]} and {text} - leave one out"
            )
        seen[same] = text
    return SweptKey(key, texts, values)


def split_values(text: str, key: str = "value") -> list[str]:
    """The values of a list: split at commas that stand in no brackets, braces or quotes.

    Raises:
        ValueError: When one of several is empty, or something does not close.

    >>> split_values("1e-4,[1, 2],'a,b'")
    ['1e-4', '[1, 2]', "'a,b'"]
    """
    pieces, begin, open_, quote = [], 0, "", ""
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in QUOTES and not text[begin:place].strip(" \t[{(,:"):
            quote = sign  # elsewhere an apostrophe is part of the text
        elif sign in OPENING:
            open_ += sign
        elif sign in CLOSING and open_:
            if OPENING.index(open_[-1]) != CLOSING.index(sign):
                raise ValueError(_unclosed(key, open_[-1], text))
            open_ = open_[:-1]
        elif sign == "," and not open_:
            pieces.append(text[begin:place].strip())
            begin = place + 1
    if quote or open_:
        raise ValueError(_unclosed(key, quote or open_[-1], text))
    pieces.append(text[begin:].strip())
    if len(pieces) > 1 and "" in pieces:
        raise ValueError(
            f"{key} - an empty value - given {text} - take the comma out, or write null"
        )
    return pieces


def _unclosed(key: str, sign: str, text: str) -> str:
    return f"{key} - {sign} does not close - given {text} - close it, or quote the whole value"


def _as_text(value: Any) -> str:
    """A Python value as an override writes it; text stays bare where YAML reads it back."""
    if isinstance(value, str):
        problems = Problems()
        bare = value == value.strip() and not set(value) & set(",[]{}()\"'")
        if bare and value and read_yaml(value, problems, "value") == value and not problems.noted:
            return value
    return json.dumps(value, ensure_ascii=False)
