"""The page of every key that a recipe may have, from the schema that the loader checks it by."""

import dataclasses
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_type_hints

from omegaconf import MISSING

from adapt.common.ranges import ranges_of
from adapt.data.sources.base import source_kinds
from adapt.methods.base import schemas
from adapt.recipe.build import FAILED, default_of, fields_of, to_plain
from adapt.recipe.json_schema import recipe_schema
from adapt.recipe.schema import Recipe
from tools.site.commands import cell, first_sentence

METHOD = "method "
HEAD = """# Every key of a recipe

This page is generated from the schema by which recipes are checked (`adapt schema` prints it as
JSON Schema). A key is set in the YAML file or, on the command line, as `key.path=value`: the key
`lr` of `optim` of the method is `method.optim.lr=1e-5`. What may be given is the sentence that the
error message says. Any value may also be a reference to another key, `${key.path}`. Settings of
methods are on the [pages of the methods](../methods.md).
"""
SOURCES = """Where images come from: `data.train`, `data.val` and each of `evals`. A path alone
is a source too; its kind is then read off what lies there, as in `adapt run PHOTOS`. All kinds
share the keys from `shots` to `classes`."""


def classes() -> dict[str, type]:
    """Every dataclass that a recipe may hold, those of the methods as `method NAME`."""
    return {name: schema for name, (schema, _) in _classes().items()}


@cache
def _classes() -> dict[str, tuple[type, str]]:
    """The same, each with the path of its first key."""
    known: dict[str, tuple[type, str]] = {}

    def visit(name: str, schema: type, path: str) -> None:
        if name in known:
            return
        known[name] = schema, path
        for key, hint in get_type_hints(schema).items():
            for part in parts_of(hint):
                if dataclasses.is_dataclass(part) and isinstance(part, type):
                    visit(part.__name__, part, f"{path}.{key}".strip("."))

    visit("Recipe", Recipe, "")
    for kind in source_kinds().values():
        visit(kind.__name__, kind, "data.train")
    for name, method in schemas().items():
        visit(METHOD + name, method, "method")
    return known


def parts_of(hint: Any) -> Iterator[Any]:
    """A type, and every type within it."""
    yield hint
    for inner in get_args(hint):
        yield from parts_of(inner)


def recipe_page() -> str:
    """All sections, each with a table of its keys."""
    schema = recipe_schema()
    known, defs = classes(), schema["$defs"]
    lines = [HEAD, *section("Recipe", Recipe, schema, None)]
    sources = [name for name in defs if name.endswith("Source")]
    settings = [name for name in defs if name in known and not name.startswith(METHOD)]
    for name in (name for name in settings if name not in sources):
        lines += section(name, known[name], defs[name], None)
    lines += ["## Sources", "", SOURCES, ""]
    for name in sources:
        lines += section(name, known[name], defs[name], None)
    return "\n".join(lines)


def section(name: str, schema: type, part: Mapping[str, Any], base: object) -> list[str]:
    """Title, first sentence and table of one section."""
    kind = part["properties"].get("kind", {}).get("const")
    title = f"kind: {kind}" if kind else _classes()[name][1] or "At the top"
    words = first_sentence((inspect.getdoc(schema) or "").partition("\n\n")[0])
    anchor = name.lower()
    return [
        f"## {title} {{ #{anchor} }}",
        "",
        cell(words, escape=True),
        "",
        *rows(schema, part, base),
        "",
    ]


def rows(schema: type, part: Mapping[str, Any], base: object = None, page: str = "") -> list[str]:
    """A table of the keys of one section.

    Args:
        schema: Its dataclass.
        part: Its JSON Schema.
        base: An object that holds other defaults than the class.
        page: Path of the page that has the other sections, where it is another.
    """
    fields, ranges = fields_of(schema), ranges_of(schema)
    lines = ["| key | type | default | what |", "|---|---|---|---|"]
    for key, given in part["properties"].items():
        if "const" in given and key in ("kind", "name"):
            lines.append(f"| `{key}` | `{given['const']}` | needed | |")
            continue
        allowed = ranges.get(fields[key].name)
        told = cell(given.get("description", ""), escape=True)
        if allowed:
            told += f" *{cell(allowed.advice[0].upper() + allowed.advice[1:], escape=True)}.*"
        default = _default(default_of(fields[key], base))
        lines.append(f"| `{key}` | {kind_of(given, page)} | {default} | {told.strip()} |")
    return lines


def _default(value: Any) -> str:
    if value is FAILED or value == MISSING:
        return "needed"
    if dataclasses.is_dataclass(value):
        return "see there"
    return f"`{cell(json.dumps(to_plain(value)))}`"


def kind_of(given: Mapping[str, Any], page: str = "") -> str:
    """The type of a value in words, sections as links.

    >>> kind_of({"anyOf": [{"type": "integer"}, {"type": "null"}]})
    'whole number, null'
    >>> kind_of({"enum": ["cosine", "constant"]})
    '`cosine`, `constant`'
    >>> kind_of({"enum": ["auto", 2, 3, 4]})
    '2 to 4, `auto`'
    """
    return ", ".join(dict.fromkeys(_kinds(given, page))) or "any"


WORDS = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`",
         "string": "text", "null": "null", "object": "mapping"}  # fmt: skip


def _choices(words: Sequence[Any]) -> Iterator[str]:
    """Words one by one; numbers that follow each other as a range."""
    numbers = [word for word in words if type(word) is int]
    follow = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    if follow:
        yield f"{numbers[0]} to {numbers[-1]}"
    yield from (f"`{word}`" for word in words if not (follow and word in numbers))


def _kinds(given: Mapping[str, Any], page: str) -> Iterator[str]:
    if "const" in given:
        yield f"`{given['const']}`"
    elif "enum" in given:
        yield from _choices(given["enum"])
    elif "$ref" in given:
        name = given["$ref"].removeprefix("#/$defs/")
        if name == "text":
            yield "text"
        elif name.startswith(METHOD):
            yield "[a method](../methods.md)"
        elif name.endswith("Source"):
            yield f"[a source]({page}#sources)"
        elif name != "reference":
            yield f"[{_classes()[name][1]}]({page}#{name.lower()})"
    elif "anyOf" in given or "allOf" in given:
        for inner in [*given.get("anyOf", []), *given.get("allOf", [])]:
            yield from _kinds(inner, page)
    elif given.get("type") == "array":
        inner = kind_of(given.get("items", {}), page)
        yield f"list of {inner}"
    elif isinstance(given.get("type"), str):
        yield WORDS[given["type"]]
    elif isinstance(given.get("type"), list):
        yield from (WORDS[word] for word in given["type"])
