"""Sentences for every class from a file, such as a language model writes (arXiv:2209.03320)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapt.common.words import plural
from adapt.data.labels.classes import ClassName, compared, normal, read_plain
from adapt.errors import DataError, did_you_mean

FORM = "write `class: [sentence, ...]` for every class"
SHOWN = 10
"""Mistakes that a message tells."""


def with_sentences(names: Sequence[ClassName], path: str | Path) -> list[ClassName]:
    """Give every class the sentences of a file in place of the prompts that it has.

    The form is that of CuPL (Pratt et al., arXiv:2209.03320): a JSON or YAML table from class to a
    list of sentences. A class may go by its key or by its words.

    Args:
        names: The classes.
        path: The file; only plain data is read.

    Raises:
        DataError: Naming all that is wrong: classes that are not known, that are missing or listed
            twice, and lists that are empty, hold one sentence twice or what is no text.
    """
    content = read_plain(path, FORM)
    if not isinstance(content, dict) or not content:
        kind = type(content).__name__
        raise DataError(f"{path} - not a table of sentences - given {kind} - {FORM}")
    given, wrong = _by_class(names, content)
    wrong += [fault for key, value in given.items() for fault in _faults(key, value)]
    missing = [name.key for name in names if name.key not in given]
    wrong += [f"{key!r} is missing" for key in missing]
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        told = "; ".join(wrong[:SHOWN]) + more
        raise DataError(f"{path} - {plural(len(wrong), 'mistake')} - {told} - {FORM}")
    return [
        replace(name, prompts=tuple(normal(text.strip()) for text in given[name.key]))
        for name in names
    ]


def _by_class(
    names: Sequence[ClassName], content: dict[Any, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The entries by class key, and the keys that are no class, or a class again."""
    by_word = {compared(name.words): name.key for name in names}
    known = {name.key for name in names}
    given: dict[str, Any] = {}
    wrong = []
    for key, value in content.items():
        text = normal(str(key))
        place = text if text in known else by_word.get(compared(text))
        if not isinstance(key, str):
            wrong.append(f"{key!r} is {type(key).__name__}, put it in quotes")
        elif place is None:
            wrong.append(f"{key!r} is no class{did_you_mean(text, known)}")
        elif place in given:
            wrong.append(f"{key!r} is class {place!r} again")
        else:
            given[place] = value
    return given, wrong


def _faults(key: str, value: Any) -> Iterable[str]:
    if not isinstance(value, list):
        yield f"{key!r} has {type(value).__name__} in place of a list"
    elif not value:
        yield f"{key!r} has an empty list"
    elif bad := [entry for entry in value if not isinstance(entry, str) or not entry.strip()]:
        yield f"{key!r} has {bad[0]!r:.40} in place of a sentence"
    elif len({entry.strip() for entry in value}) < len(value):
        yield f"{key!r} has a sentence twice"
