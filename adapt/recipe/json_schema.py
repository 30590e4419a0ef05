"""The recipe as JSON Schema, from the dataclasses and ranges that the loader checks it by.

A recipe that this schema refuses is refused by the loader, and what the loader refuses alone is
what no schema of one file can say: `RULES` lists it, and the arguments of augmentation steps are
albumentations' own. JSON does not tell 1.0 from 1; the loader does where whole numbers are asked.
"""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from adapt.common.ranges import not_empty, ranges_of
from adapt.common.typed import options_of
from adapt.common.words import FILE_NAME, MISSING, any_case
from adapt.data.augmentation.policies import POLICIES
from adapt.data.shifts.shift import SHIFTS
from adapt.data.sources.base import COMMON, Source, source_kinds
from adapt.methods.base import schemas
from adapt.recipe.build import FAILED, default_of, fields_of
from adapt.recipe.schema import RESERVED_EVALS, VERSION, Recipe
from adapt.training.settings import CLASS_WEIGHTS as CLASS_WEIGHT_WORDS

RULES = (
    "no such",  # a folder or file is not there
    "refers to",  # a reference to what is not there; what it leads to is checked as any value
    "does not go with",
    "do not go with",
    "does not divide",
    "missing",  # what another setting needs
    "needs at least",
    "not an eval",
    "is itself a",
    "same name as",
    "set aside already",
    "for evals only",
    "for retention sets only",
    "evals are never sampled",
    "evals are test data",
    "val would be train",
    "has no effect",
    "not rising",
    "not for",
    "too small",
    "too large",
    "not in a part",
    "not a method on features",
    "not a transform",
    "refused",  # code, tags and interpolations
    "same image",
)
"""Words of the sentences about settings that do not fit each other, or the computer."""
KEY_PATH = r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*\}"
# A pattern says nothing of numbers, so that what it forbids must be text.
WRONG_REFERENCE = {"type": "string", "pattern": rf"\$\{{(?!{KEY_PATH})|\\\$\{{"}
TEXT = {
    "type": ["string", "integer"],
    "not": {"anyOf": [{"const": MISSING}, WRONG_REFERENCE]},
}
REFERENCE = {
    "description": "The value of another key.",
    "type": "string",
    "pattern": rf"^\$\{{{KEY_PATH}$",
}
PATH = {"type": "string", "pattern": r"\S", "not": {"const": MISSING}}
"""A source by its path alone."""
STEP = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
CLASS_WEIGHTS = {
    "anyOf": [
        {"enum": list(CLASS_WEIGHT_WORDS)},
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
        },
    ]
}
EVAL_NAME = {
    "pattern": f"^{FILE_NAME}$",
    "not": {"pattern": f"^(?:{'|'.join(map(any_case, RESERVED_EVALS))})$"},
}
PLAIN: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    str: {"$ref": "#/$defs/text"},
    type(None): {"type": "null"},
    Any: {},
}


def recipe_schema(methods: Mapping[str, type] | None = None) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe.

    Args:
        methods: Dataclasses of the methods by name; those of all registered methods if None.

    >>> recipe_schema({})["properties"]["seed"]["anyOf"][0]
    {'type': 'integer', 'minimum': 0, 'maximum': 4294967295}
    """
    writer = _SchemaWriter(dict(schemas() if methods is None else methods))
    root = writer.section(Recipe)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Recipe of adapt",
        **root,
        "$defs": {"text": TEXT, "reference": REFERENCE, **writer.defs},
    }


FIXED: dict[str, dict[str, Any]] = {
    "version": {"const": VERSION},
    "select": {"const": "val"},
    "augmentation": {
        "anyOf": [{"enum": list(POLICIES)}, {"type": "array", "items": STEP, "minItems": 1}]
    },
    "corruptions": {"type": "array", "items": {"enum": sorted(SHIFTS)}, "uniqueItems": True},
    "shift": {"enum": sorted(SHIFTS)},
    "class_weights": CLASS_WEIGHTS,
}
"""Fields whose values are checked elsewhere in the loader."""


class _SchemaWriter:
    """Writes dataclasses as schemas; each stands once, in `defs`."""

    def __init__(self, methods: Mapping[str, type]) -> None:
        self.methods = methods
        self.defs: dict[str, Any] = {}

    def section(self, schema: type, constants: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The mapping that one dataclass is read from.

        Args:
            schema: The dataclass.
            constants: Keys beside its own, and the one value of each.
        """
        hints, ranges, documents = get_type_hints(schema), ranges_of(schema), _documents(schema)
        properties: dict[str, Any] = {
            key: {"const": word} for key, word in (constants or {}).items()
        }
        needed = list(constants or {})
        for key, field in fields_of(schema).items():
            given = ranges.get(field.name)
            if given is None and issubclass(schema, Source) and field.name not in COMMON:
                given = not_empty()
            inner = self.field(schema, field, hints[field.name])
            if given is not None:
                inner = _narrowed(inner, given.schema)
            properties[key] = {
                "anyOf": [inner, {"$ref": "#/$defs/reference"}],
                "description": documents.get(field.name, ""),
            }
            default = default_of(field, None)
            if default is FAILED or default == MISSING:
                needed.append(key)
        return {
            "type": "object",
            "properties": properties,
            "required": needed,
            "additionalProperties": False,
        }

    def field(self, schema: type, field: "dataclasses.Field[Any]", hint: Any) -> dict[str, Any]:
        """What one field takes, without its range."""
        if schema is Recipe and field.name == "method":
            return self._methods()
        if schema is Recipe and field.name == "evals":
            return self._evals(hint)
        fixed = FIXED.get(field.name)
        return self.any_of(hint) if fixed is None else fixed

    def any_of(self, hint: Any) -> dict[str, Any]:
        """What a type hint takes."""
        options = [self.option(option) for option in options_of(hint)]
        return options[0] if len(options) == 1 else {"anyOf": options}

    def option(self, option: Any) -> dict[str, Any]:
        """What one type takes."""
        if option in PLAIN:
            return PLAIN[option]
        if option is Source:
            return self._source()
        if dataclasses.is_dataclass(option) and isinstance(option, type):
            return self.once(option.__name__, option)
        origin, inner = get_origin(option) or option, get_args(option)
        items = self.any_of(inner[-1]) if inner else {}
        if origin is list:
            return {"type": "array", "items": items}
        assert origin is dict, option
        return {"type": "object", "additionalProperties": items}

    def once(
        self, name: str, schema: type, constants: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A reference to the definition of a dataclass."""
        if name not in self.defs:
            self.defs[name] = {}  # a part of itself, such as a source of sources, refers to it
            self.defs[name] = self.section(schema, constants)
        return {"$ref": f"#/$defs/{name}"}

    def _source(self) -> dict[str, Any]:
        kinds = [
            self.once(schema.__name__, schema, {"kind": kind})
            for kind, schema in source_kinds().items()
        ]
        return {"anyOf": [*kinds, PATH]}

    def _evals(self, hint: Any) -> dict[str, Any]:
        names = {"propertyNames": EVAL_NAME}
        return {"type": "object", **names, "additionalProperties": self.any_of(get_args(hint)[1])}

    def _methods(self) -> dict[str, Any]:
        sections = [
            self.once(f"method {name}", schema, {"name": name})
            for name, schema in self.methods.items()
        ]
        complete = [
            name
            for name, schema in self.methods.items()
            if all(default_of(field, None) is not FAILED for field in fields_of(schema).values())
        ]
        return {"anyOf": [{"enum": complete}, *sections]}


def _narrowed(inner: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with what a range adds: words replace a type, bounds are added to it."""
    if "enum" in more:
        return {"enum": more["enum"]}
    apart = "$ref" in inner or inner.keys() & more.keys()
    return {"allOf": [inner], **more} if apart else {**inner, **more}


@cache
def _documents(schema: type) -> dict[str, str]:
    """The text below each field of a dataclass and of its bases, in one line."""
    texts: dict[str, str] = {}
    for base in reversed(schema.__mro__):
        if not dataclasses.is_dataclass(base) and base is object:
            continue
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                texts[field.target.id] = " ".join(str(text.value.value).split())
    return texts
