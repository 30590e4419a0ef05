"""Plain containers to dataclasses, strictly: every mistake is noted, none is guessed away.

OmegaConf turns the text "2" into the number 2 and stops at the first mistake; a recipe must do
neither, so the schema is walked here.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from omegaconf import MISSING

from adapt.common.typed import accepts, describe, options_of
from adapt.common.words import listed
from adapt.data.settings import Holdout
from adapt.data.sources.base import COMMON, Source, source_kinds
from adapt.data.sources.layout import source_of
from adapt.errors import did_you_mean
from adapt.recipe.text import Problems, join
from adapt.training.settings import Optim

FAILED = object()
"""Stands for a value that is wrong or missing."""


def key_of(name: str) -> str:
    """YAML key of a dataclass field: `from_` is written `from`."""
    return name.rstrip("_")


def fields_of(schema: type) -> dict[str, "dataclasses.Field[Any]"]:
    """Fields one may set, by YAML key."""
    return {key_of(field.name): field for field in dataclasses.fields(schema) if field.init}


def to_plain(value: Any) -> Any:
    """A dataclass as plain containers with YAML keys; sources leave out what they do not use."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = {key: getattr(value, field.name) for key, field in fields_of(type(value)).items()}
        if isinstance(value, Holdout):
            items["fraction"] = value.held_out
        if isinstance(value, Source):
            items = {"kind": value.kind, **value.own(), **items}
        if isinstance(value, Source | Holdout):
            unused = (None, False)  # by identity: a seed of 0 is used, though it equals False
            items = {k: item for k, item in items.items() if not any(item is u for u in unused)}
        return {key: to_plain(item) for key, item in items.items()}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, list | tuple) else value


def default_of(field: "dataclasses.Field[Any]", base: object) -> Any:
    """What a field is when it is not given: of `base`, or of its class; FAILED if it must be."""
    if base is not None:
        return getattr(base, field.name)
    if field.default is not dataclasses.MISSING:
        return field.default
    return FAILED if field.default_factory is dataclasses.MISSING else field.default_factory()


def deeper(schema: type, key: str, path: str) -> list[str]:
    """Key paths of that name in the sections of a schema; training is in that of the method.

    >>> deeper(Optim, "epochs", "method.optim")
    []
    """
    places = [join("method.optim", key)] if not path and key in fields_of(Optim) else []
    for name, field in fields_of(schema).items():
        inner = default_of(field, None)
        if dataclasses.is_dataclass(inner) and not isinstance(inner, type):
            here = join(path, name)
            if key in fields_of(type(inner)):
                places.append(join(here, key))
            places += deeper(type(inner), key, here)
    return places


class Builder:
    """Builds dataclasses from plain containers, noting every mistake in ``problems``."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.built: dict[str, Any] = {}
        """Key path to each value that is right, also where the section around it is not."""
        self.paths: dict[str, tuple[str, str]] = {}
        """Key path to each path that is given, and what it must lead to."""

    def section(self, schema: type, given: Any, path: str, base: object = None) -> Any:
        """One dataclass, or None when anything in it is wrong.

        Args:
            schema: The dataclass.
            given: What the recipe says.
            path: Its key path.
            base: Holds the values of keys that are not given, in place of the class defaults.
        """
        before = len(self.problems.lines())
        if schema is Source:
            schema, base = self._kind(given, path), None
            given = {key: value for key, value in given.items() if key != "kind"}
        fields = fields_of(schema)
        for key in given:
            if key not in fields:
                self.unknown(path, key, given[key], schema)
        hints = get_type_hints(schema)
        values = {}
        for field in fields.values():
            default = default_of(field, base)
            value = self._field(hints[field.name], field, given, path, default)
            if value is not FAILED:
                values[field.name] = value
        result = self._construct(schema, values, path)
        if len(self.problems.lines()) > before:
            return None
        self.built[path] = result
        return result

    def _kind(self, given: Any, path: str) -> type:
        """The dataclass of a source's kind; what belongs to another kind is noted."""
        kinds, here = source_kinds(), join(path, "kind")
        kind = self.value(str, given["kind"], here) if "kind" in given else self._missing(here)
        known = {key for schema in kinds.values() for key in fields_of(schema)}
        if kind not in kinds:
            if kind is not FAILED:
                todo = f"choose one of {listed(list(kinds))}"
                self.problems.add(here, f"not known{did_you_mean(kind, kinds)}", kind, todo)
            # Whatever some kind takes may be right, so nothing is said of it.
            empty = [(key, Any, None) for key in sorted(known)]
            return dataclasses.make_dataclass("AnySource", empty)
        own = [key for key in fields_of(kinds[kind]) if key not in COMMON]
        for key in [key for key in given if key in known - COMMON and key not in own]:
            todo = f"remove it; kind {kind} takes {listed(own)}"
            self.problems.add(join(path, key), f"does not go with kind {kind}", given[key], todo)
        return kinds[kind]

    def _missing(self, here: str) -> Any:
        if here not in self.problems:
            self.problems.say(here, "missing", "nothing", f"write it, or {here}=VALUE")
        return FAILED

    def unknown(self, path: str, key: str, value: Any, schema: type) -> None:
        """Note a key that is not in the schema, and where a key of that name is."""
        here = join(path, key)
        if here in self.problems:
            return
        known = list(fields_of(schema))
        words = list(value) if isinstance(value, dict) and value else [key]
        places = dict.fromkeys(place for word in words for place in deeper(schema, word, path))
        near = did_you_mean(key, known)
        hint = near or (f", did you mean {listed(list(places))}?" if places else "")
        self.problems.add(here, f"unknown key{hint}", value, f"known: {listed(sorted(known))}")

    def _field(
        self, hint: Any, field: "dataclasses.Field[Any]", given: Any, path: str, default: Any
    ) -> Any:
        key = key_of(field.name)
        here = join(path, key)
        if key in given:
            value = self.value(hint, given[key], here, default)
            if "path" in field.metadata and isinstance(value, str) and value:
                self.paths[here] = (field.metadata["path"], value)
            return value
        if default is FAILED or (isinstance(default, str) and default == MISSING):
            return self._missing(here)
        if dataclasses.is_dataclass(default) and not isinstance(default, type):
            value = self.section(type(default), {}, here, default)
            return FAILED if value is None else value
        return default

    def value(self, hint: Any, raw: Any, path: str, default: Any = None) -> Any:
        """One value of the type a hint asks for, or FAILED."""
        if path in self.problems:
            return FAILED
        if isinstance(raw, str) and raw == MISSING:
            self.problems.add(path, "missing", raw, f"write a value, or {path}=VALUE")
            return FAILED
        if isinstance(raw, str) and raw and Source in options_of(hint):
            raw = source_of(raw)  # a source may be given as its path alone
        fitting = [option for option in options_of(hint) if accepts(option, raw)]
        if not fitting:
            self.problems.add(path, "wrong type", raw, f"give {describe(hint)}")
            return FAILED
        exact = [option for option in fitting if option is type(raw)]
        value = self._convert(exact or fitting, raw, path, default)
        if value is not FAILED:
            self.built[path] = value
        return value

    def _convert(self, fitting: list[Any], raw: Any, path: str, default: Any) -> Any:
        option = fitting[0]
        if dataclasses.is_dataclass(option):
            option = _best_match(fitting, raw, default)
            base = default if type(default) is option else None
            value = self.section(option, raw, path, base)
            return FAILED if value is None else value
        inner = get_args(option)
        if isinstance(raw, list):
            item = inner[0] if inner else Any
            items = [self.value(item, value, f"{path}[{i}]") for i, value in enumerate(raw)]
            return FAILED if FAILED in items else items
        if isinstance(raw, dict):
            item = inner[1] if inner else Any
            pairs = {key: self.value(item, value, join(path, key)) for key, value in raw.items()}
            return FAILED if FAILED in pairs.values() else pairs
        if isinstance(raw, float) and not math.isfinite(raw):
            self.problems.add(path, "not a finite number", raw, "give a number")
            return FAILED
        return raw if option is Any else option(raw) if raw is not None else None

    def _construct(self, schema: type, values: dict[str, Any], path: str) -> Any:
        """Run the dataclass's own checks, again without what they refuse, until none is left.

        Most checks raise at their first mistake; the rest of the mistakes must be listed too.
        """
        required = {
            field.name for field in fields_of(schema).values() if default_of(field, None) is FAILED
        }
        while required <= values.keys():
            try:
                return schema(**values)
            except ValueError as error:
                refused = self.explain(str(error), path)
                names = [name for name in values if key_of(name) in refused]
                if not names:
                    return None
                for name in names:
                    del values[name]
        return None

    def explain(self, message: str, path: str) -> set[str]:
        """Note the sentences of a section's own check; returns the keys they are about."""
        refused = set()
        for line in message.splitlines():
            parts = line.split(" - ")
            key = parts[0].split(".")[0].split("[")[0]
            here = join(path, parts[0])
            refused.add(key)
            if here in self.problems or join(path, key) in self.problems:
                continue
            if len(parts) < 4:
                self.problems.say(path, line, "the section", "correct it")
            else:
                self.problems.say(here, parts[1], " - ".join(parts[2:-1]), parts[-1])
        return refused


def _best_match(options: list[Any], raw: dict[str, Any], default: Any) -> Any:
    """The dataclass that knows most of the keys; when none is better, that of the default."""

    def score(option: type) -> tuple[int, bool]:
        known = set(fields_of(option))
        if option is Source:
            known = {"kind"}.union(*(fields_of(kind) for kind in source_kinds().values()))
        return len(raw.keys() & known), isinstance(default, option)

    return max(options, key=score)
