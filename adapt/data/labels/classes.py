"""What a class is called in the data, and what it is called in words.

The key is the folder name or the label in a table; the words go into the prompts.
"""

import json
import unicodedata
import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from adapt.common.typed import resolve_path
from adapt.common.words import first_few
from adapt.errors import DataError, did_you_mean

FORM = "write `folder: words`, or `folder: {words: ..., prompts: [...]}`"


@dataclass(frozen=True)
class ClassName:
    """One class."""

    key: str
    """Folder name or label, in Unicode NFC."""
    words: str
    """What is put into the prompts."""
    prompts: tuple[str, ...] = field(default=())
    """Sentences used in place of the prompt templates; `{}` stands for the words."""


def normal(text: str) -> str:
    r"""The Unicode NFC form, so that names from macOS and Linux are the same.

    >>> normal("Cafe\u0301") == "Caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    r"""The form in which two names count as equal: without case and Unicode variants.

    >>> folded("CAFE\u0301") == folded("caf\u00e9")
    True
    """
    return normal(unicodedata.normalize("NFD", text).casefold())


@lru_cache(65536)
def compared(name: str) -> str:
    r"""The form in which class names must differ.

    As `folded`, without compatibility forms such as ligatures, blanks at the ends, blanks in a row,
    and signs that cannot be seen.

    >>> compared(" \uff23at\u200b ") == compared("cat")
    True
    """
    plain = unicodedata.normalize("NFKC", folded(name)).casefold()
    return " ".join("".join(s for s in plain if unicodedata.category(s) != "Cf").split())


def check_names(names: object, where: str) -> list[str]:
    """Class names that are texts, not empty, and different however they are written.

    Args:
        names: Should be a list of them, or an array.
        where: What to name at the start of the message.

    Returns:
        The names, as they are.

    Raises:
        DataError: For one text in place of a list, and naming the first name that is no text,
            empty, not UTF-8, or equal to another; see `compared`.

    >>> check_names(["cat", "Cat "], "class_names")
    Traceback (most recent call last):
    adapt.errors.DataError: class_names - two classes have equal names - 'cat' and 'Cat ' differ \
only in case, blanks or Unicode form - rename or merge them
    """
    if hasattr(names, "tolist"):  # an array, or a column of a table
        names = names.tolist()
    if isinstance(names, (str, bytes)) or not isinstance(names, Sequence):
        kind = "one text" if isinstance(names, str) else type(names).__name__
        raise DataError(f"{where} - not a list of names - {names!r:.80} is {kind} - give a list")
    seen: dict[str, str] = {}
    for place, name in enumerate(names):
        if not isinstance(name, str):
            given = f"{name!r:.80} is {type(name).__name__}, number {place}"
            raise DataError(f"{where} - a class name must be text - {given} - write it as text")
        if not compared(name):
            given = f"{name!r}, number {place}"
            raise DataError(f"{where} - a class name is empty - {given} - give it a name")
        if "\0" in name or any("\ud800" <= sign <= "\udfff" for sign in name):
            advice = "rename it: a text encoder reads Unicode alone"
            raise DataError(f"{where} - a class name is not UTF-8 text - {name!a} - {advice}")
        first = seen.setdefault(compared(name), name)
        if len(seen) <= place:
            what, how = f"{first!r} and {name!r}", "differ only in case, blanks or Unicode form"
            how = "are the same" if first == name else how
            raise DataError(
                f"{where} - two classes have equal names - {what} {how} - rename or merge them"
            )
    return list(names)


def default_words(key: str) -> str:
    """The words of a class that nobody named: its key with spaces.

    >>> default_words("alarm_clock")
    'alarm clock'
    """
    return " ".join(key.replace("_", " ").replace("-", " ").split()) or key


def name_classes(keys: Iterable[str], given: dict[str, ClassName] | None) -> dict[str, ClassName]:
    """Names for all the classes of a data set: the given ones, default words for the rest.

    Args:
        keys: The classes that occur in the data.
        given: Names by key, or None.

    Returns:
        One name per key, sorted by key.

    Raises:
        DataError: When a class has no name, or two of them have equal names or words.
    """
    known = given or {}
    classes = check_names(sorted(set(keys)), "classes")
    names = {key: known.get(key) or ClassName(key, default_words(key)) for key in classes}
    check_words(names, "classes")
    return names


def check_words(names: dict[str, ClassName], where: str) -> None:
    """Refuse two classes whose words are equal; see `compared`.

    Args:
        names: Classes by key.
        where: What to name at the start of the message.

    Raises:
        DataError: Naming both classes and their words.
    """
    seen: dict[str, str] = {}
    for name in names.values():
        first = seen.setdefault(compared(name.words), name.key)
        if first != name.key:
            raise DataError(
                f"{where} - two classes have equal words - {first!r} and {name.key!r} are both "
                f"{name.words!r} - give them different words, or merge them"
            )


class _StrictLoader(yaml.SafeLoader):
    """Plain data only: no tags, no aliases, no key twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (`*name`) are not read")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: list[str] = []
        for key, _ in node.value:
            if key.value in keys:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: key {key.value!r} is listed twice")
            keys.append(key.value)
        return super().construct_mapping(node, deep)


def read_plain(path: str | Path, form: str) -> Any:
    """What a YAML or JSON file holds: plain data, without tags, aliases and repeated keys.

    Args:
        path: The file.
        form: What to write, for the message.

    Raises:
        DataError: When it cannot be read, or holds anything else.
    """
    try:
        place = resolve_path(path)
        text = place.read_text(encoding="utf-8-sig")
        if place.suffix.lower() == ".json":  # a hundred times as fast as by YAML
            return json.loads(text, object_pairs_hook=_no_key_twice)
        # A subclass of SafeLoader that reads less; bandit's S506 knows SafeLoader by name only.
        return yaml.load(text, Loader=_StrictLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        kind = "JSON" if str(path).lower().endswith(".json") else "YAML"
        raise DataError(f"{path} - cannot be read as {kind} - {error} - {form}") from error


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, if no key is in it twice."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} is listed twice")
    return content


def read_classes(path: str | Path) -> dict[str, ClassName]:
    r"""Read class names from YAML: `folder: words` or `folder: {words: ..., prompts: [...]}`.

    Warn of words without a letter: a text encoder can make little of `1`.

    Args:
        path: A YAML file; only plain data is read, no tags and no aliases.

    Returns:
        Class names by key, in the order of the file.

    Raises:
        DataError: When the file cannot be read, a folder is not text, a field is not known, or
            two classes have equal words.
    """
    content = read_plain(path, FORM)
    if not isinstance(content, dict) or not content:
        kind = type(content).__name__
        raise DataError(f"{path} - not a table of classes - given {kind} - {FORM}")
    names: dict[str, ClassName] = {}
    for key, value in content.items():
        name = _class_name(path, key, value)
        if name.key in names:
            raise DataError(f"{path} - a folder is listed twice - {name.key!r} - keep one")
        names[name.key] = name
    check_names(list(names), str(path))
    check_words(names, str(path))
    bare = [name.words for name in names.values() if not any(map(str.isalpha, name.words))]
    if bare:
        warnings.warn(
            f"{path} - words without a letter - {first_few(bare)} - write what is in the "
            "images: the text encoder cannot know",
            stacklevel=2,
        )
    return names


def _class_name(path: str | Path, key: object, value: object) -> ClassName:
    if not isinstance(key, str):
        kind = type(key).__name__
        advice = f'put it in quotes: "{key}": ...'
        raise DataError(f"{path} - a folder must be text - {key!r} is {kind} - {advice}")
    if isinstance(value, str):
        value = {"words": value}
    if not isinstance(value, dict):
        raise DataError(f"{path} - not the words of a class - {key!r}: {value!r} - {FORM}")
    for given in value:
        if given not in ("words", "prompts"):
            hint = did_you_mean(str(given), ["words", "prompts"])
            raise DataError(f"{path} - unknown field - {given!r} of {key!r}{hint} - {FORM}")
    words = value.get("words", default_words(key))
    prompts = value.get("prompts", [])
    if not isinstance(words, str) or not words.strip():
        raise DataError(f"{path} - words must be text - {key!r}: {words!r} - {FORM}")
    if not isinstance(prompts, list) or not all(isinstance(p, str) and p.strip() for p in prompts):
        advice = "write a list of sentences"
        raise DataError(f"{path} - prompts must be text - {key!r}: {prompts!r} - {advice}")
    return ClassName(normal(key), normal(words.strip()), tuple(prompts))
