"""Types of settings: whether a value fits, how a type is said in words, what a path leads to."""

import sys
import types
from collections.abc import Iterator
from dataclasses import MISSING, field, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}
FILE, FOLDER, FILES = "file", "folder", "files"
"""What a path may lead to: `FILES` is a file, a folder, or a pattern with braces for many files."""


def options_of(hint: Any) -> list[Any]:
    """The types that a hint allows.

    >>> options_of(int | None)
    [<class 'int'>, <class 'NoneType'>]
    """
    if get_origin(hint) is Annotated:
        return options_of(get_args(hint)[0])
    if get_origin(hint) not in (Union, types.UnionType):
        return [hint]
    return [option for choice in get_args(hint) for option in options_of(choice)]


def describe(hint: Any) -> str:
    """A type in words.

    >>> describe(int | list[int]), describe(tuple[float, float] | Literal["auto"])
    ('a whole number or a list', 'a list of 2 numbers or one of auto')
    """
    return " or ".join(dict.fromkeys(_words(option) for option in options_of(hint)))


def _words(option: Any) -> str:
    origin, inner = get_origin(option) or option, get_args(option)
    if origin is Literal:
        return f"one of {', '.join('null' if word is None else str(word) for word in inner)}"
    if origin is tuple:
        return f"a list of {'numbers' if inner[-1] is Ellipsis else f'{len(inner)} numbers'}"
    if is_dataclass(origin) or origin is dict:
        return "a mapping"
    return WORDS.get(origin, "a list")


def accepts(option: Any, value: Any) -> bool:
    """Whether a value, as YAML gives it, is of one type; lists and mappings by their kind alone.

    A whole number is taken for text, so that `workers: 2` and `precision: 32` may be written.

    >>> accepts(float, 1), accepts(int, True), accepts(str, 32), accepts(list[int], ["a"])
    (True, False, True, True)
    """
    if option is Any:
        return True
    origin = get_origin(option) or option
    if is_dataclass(origin) or origin is dict:
        return isinstance(value, dict)
    if origin is list:
        return isinstance(value, list)
    if isinstance(value, bool) or origin is bool:
        return isinstance(value, bool) and origin is bool
    wider: dict[Any, Any] = {float: (int, float), str: (str, int), int: int, type(None): type(None)}
    return origin in wider and isinstance(value, wider[origin])


def path_to(what: str, needed: bool = False) -> Any:
    """A dataclass field that holds a path, which a recipe checks when it is loaded.

    Args:
        what: `FILE`, `FOLDER` or `FILES`.
        needed: Whether it must be given; None by default otherwise.
    """
    return field(default=MISSING if needed else None, metadata={"path": what})


def resolve_path(path: str | Path) -> Path:
    """The place a given path means: `~` is the home folder, nothing else is replaced.

    Every path that a user gives goes through here, when it is checked and when it is read. A name
    of `~` without a home folder stays as it is.

    >>> resolve_path("~/photos") == Path.home() / "photos", resolve_path("$HOME/a").name
    (True, 'a')
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def leads(path: str, what: str) -> bool:
    """Whether a path leads to what it should, see `resolve_path`.

    >>> leads("/no/such", FOLDER), leads("photos-{000..009}.tar", FILES)
    (False, True)
    """
    try:
        place = resolve_path(path)
        return any(_checks(place, what)) or (what == FILES and "{" in path)
    except (OSError, ValueError, RuntimeError):
        return False


def _checks(place: Path, what: str) -> Iterator[bool]:
    if what in (FILE, FILES):
        yield place.is_file()
    if what in (FOLDER, FILES):
        yield place.is_dir()


def misfit(hint: Any, value: Any, path: str) -> str:
    """Where a value from a JSON file is not of a type, to the last item; empty when it is.

    Stricter than `accepts`, since no person writes these files: text is text and no number, and
    numbers are finite.

    >>> misfit(dict[str, list[int]], {"a": [1, "2"]}, "sizes")
    "sizes.a.1 - not a whole number - '2'"
    >>> misfit(float, float("inf"), "temperature")
    "temperature - not a number - 'inf'"
    """
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin is Any:
        return ""
    if origin in (list, dict) and isinstance(value, origin):
        pairs = enumerate(value) if isinstance(value, list) else value.items()
        wrong = (misfit(inner[-1], item, f"{path}.{key}") for key, item in pairs)
        return next(filter(None, wrong), "")
    if isinstance(value, bool):
        good = origin is bool
    elif origin is float:
        good = isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
    else:
        good = isinstance(value, origin)
    return "" if good else f"{path} - not {describe(hint)} - {str(value)[:60]!r}"
