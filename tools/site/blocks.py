"""Code blocks of the pages, and what is wrong with their commands, settings and imports."""

import ast
import dataclasses
import importlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from adapt.data.sources.base import Source, source_kinds
from adapt.errors import AdaptError
from adapt.methods.base import schemas
from adapt.recipe.load import load
from adapt.recipe.photos import read_call
from adapt.recipe.schema import Recipe
from adapt.recipe.shipped import find_recipe
from tools.site.commands import GROUP, commands
from tools.site.recipes import parts_of

FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)
SHELL = ("", "console", "bash", "sh")
OPERATORS = {"&", "&&", "|", "||", ";", ">", ">>", "<", "2>", ")", "};", "}"}
SETTING = re.compile(r"~?[a-z_]+(\.[\w-]+)*(=.*)?", re.DOTALL)
TAKE_RECIPES = ("run", "plan", "validate", "sweep")
PHOTOS = ("photos", "PHOTOS", "RECIPE", "emoji")
"""Words that stand for images or a recipe of the reader."""
NOT_HERE = ("no such file", "no such folder", "no such file or folder", "missing")
"""What is wrong with the files of the reader where there are none."""


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str
    reason: str
    """Why it is not run; empty where nothing says so."""

    @property
    def place(self) -> str:
        """Page and line, for messages and names of tests."""
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text"))
        inner = re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        yield Block(page, line, match["language"], inner, match["reason"] or "")


def adapt_commands(block: Block) -> Iterator[list[str]]:
    """The words after `adapt` of every command in a shell block."""
    if block.language in SHELL:
        for line in re.sub(r"\\\n", " ", block.text).splitlines():
            prompt = line.startswith("$ ")
            if block.language != "console" or prompt:
                yield from _in_line(line.removeprefix("$ "), block.language == "")


def _in_line(line: str, at_start: bool) -> Iterator[list[str]]:
    if GROUP not in line or (at_start and not line.startswith(f"{GROUP} ")):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] | None = None
    for word in lexer:
        if words is None:
            words = [] if word == GROUP else None
        elif word in OPERATORS:
            break
        else:
            words.append(word)
    if words:
        yield words


@cache
def _known() -> dict[str, tuple[Any, Any]]:
    return {words.removeprefix(f"{GROUP} "): (c, context) for words, c, context in commands()}


def wrong_command(words: list[str]) -> str:
    """What is wrong with a command, or nothing: its name, options, settings, and recipe.

    >>> wrong_command(["run", "quickstart", "seed=1"])
    ''
    >>> wrong_command(["run", "quickstart", "sed=1"])
    'sed: no such key of a recipe'
    >>> wrong_command(["run", "quikstart"])
    'quikstart: no such recipe'
    """
    name = " ".join(words[:2]) if " ".join(words[:2]) in _known() else words[0]
    if name == "--version":
        return ""
    if name not in _known():
        return f"{name}: no such command"
    command, context = _known()[name]
    rest = words[len(name.split()) :]
    if "--help" in rest:
        return ""
    try:
        command.make_context(name, list(rest), parent=context.parent)
    except Exception as error:  # whatever the library that parses raises
        return f"{name}: {getattr(error, 'message', '') or error}"
    if name not in TAKE_RECIPES:
        return ""
    given = [word for word in rest if not word.startswith("-")]
    settings = [word for word in given if "=" in word or word.startswith("~")]
    problems = [wrong_key(word.lstrip("~").partition("=")[0]) for word in settings]
    return "; ".join(filter(None, [*problems, _wrong_recipe(given[0]) if given else ""]))


def unloadable(words: list[str]) -> list[str]:
    """Why a `run`, `plan`, `validate` or `sweep` cannot be read, files that are not here aside.

    Args:
        words: What stands after `adapt`. Of the values of a sweep the first is taken.
    """
    if words[0] not in TAKE_RECIPES or "--help" in words:
        return []
    command, context = _known()[words[0]]
    given = command.make_context(words[0], words[1:], parent=context.parent).params["words"]
    call = read_call([_first_value(word) for word in given])
    if Path(call.recipe).suffix in (".yaml", ".yml") or call.recipe in PHOTOS:
        return []
    try:
        load(call.recipe, call.overrides)
    except AdaptError as error:
        return [
            line for line in str(error).splitlines()[1:] if not set(NOT_HERE) & {*line.split(" - ")}
        ]
    return []


def _first_value(word: str) -> str:
    key, sign, value = word.partition("=")
    if not sign or value[:1] in "[{":
        return word
    return f"{key}={'0' if value.startswith('$') else re.split(r',|[.]{2}', value)[0]}"


def _wrong_recipe(word: str) -> str:
    if word in PHOTOS or Path(word).suffix or word.startswith("/"):
        return ""
    try:
        find_recipe(word)
    except AdaptError:
        return f"{word}: no such recipe"
    return ""


def wrong_key(path: str) -> str:
    """What is wrong with a key path of a recipe, or nothing.

    >>> wrong_key("method.optim.lr"), wrong_key("evals.shift"), wrong_key("data.val.folds")
    ('', '', '')
    >>> wrong_key("model.architecture")
    'model.architecture: no such key of a recipe'
    """
    here: list[Any] = [Recipe]
    words = path.split(".")
    for number, word in enumerate(words):
        found = [hint for schema in here for hint in _hints(schema, word)]
        if not found:
            return f"{path}: no such key of a recipe"
        if words[number] == "method" and number == 0:
            here = list(schemas().values())
        elif any(isinstance(hint, type) or _is_free(hint) for hint in found):
            here = _classes(found)
        if words[0] == "evals" and number == 0:
            here = [_Named(tuple(_classes(found)))]
    return ""


@dataclass(frozen=True)
class _Named:
    """A mapping from any name to one of these."""

    inner: tuple[type, ...]


def _hints(schema: Any, word: str) -> list[Any]:
    if isinstance(schema, _Named):
        return list(schema.inner)
    if word == "name" and schema in schemas().values():
        return [str]
    if word == "kind" and isinstance(schema, type) and issubclass(schema, Source):
        return [str]
    hints = {name.rstrip("_"): hint for name, hint in get_type_hints(schema).items()}
    return list(parts_of(hints[word])) if word in hints else []


def _is_free(hint: Any) -> bool:
    return hint is Any


def _classes(hints: list[Any]) -> list[Any]:
    found = [hint for hint in hints if isinstance(hint, type) and dataclasses.is_dataclass(hint)]
    if Source in found:
        found += source_kinds().values()
    return found


def wrong_keys(given: Any, path: str = "") -> Iterator[str]:
    """Keys of a piece of a recipe that no recipe may have."""
    if isinstance(given, Mapping):
        for key, value in given.items():
            here = f"{path}.{key}".lstrip(".")
            problem = wrong_key(here)
            if problem:
                yield problem
            elif not path.endswith("class_weights"):
                yield from wrong_keys(value, here)


def wrong_imports(text: str) -> Iterator[str]:
    """Names that Python code takes from `adapt` and that are not there."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == GROUP:
            module = importlib.import_module(node.module or GROUP)
            names = [alias.name for alias in node.names]
            yield from (f"{node.module}.{name}" for name in names if not hasattr(module, name))
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == GROUP
            and not hasattr(importlib.import_module(GROUP), node.attr)
        ):
            yield f"{GROUP}.{node.attr}"
