"""Recipe text to plain containers and back: YAML without code, overrides, references.

Nothing here runs what a file says: only mappings, lists, text, numbers, true, false and null are
read, and of OmegaConf's interpolations only `${a.b}`, which must point at a plain value.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from omegaconf import MISSING, OmegaConf

from adapt.errors import did_you_mean

MOST_NODES = 10_000
MOST_CHARACTERS = 200_000
REFERENCE = re.compile(r"\$\{([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)\}")
CODE_KEY = re.compile(r"_[a-z]+_")

# YAML 1.2 types. PyYAML's 1.1 reads 5e-4 as text, `no` as false, 1:30 as 90 and 010 as 8.
TYPES = {
    "null": (r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
}
TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Safe loader that types plain scalars as YAML 1.2 does."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    # `{root: ???}` is how recipes ask for a value, but YAML 1.1 takes `?` in braces for a key mark.
    def _asks(self) -> bool:
        return self.flow_level > 0 and re.fullmatch(r"\?{3}[\s,\]}]", self.prefix(4)) is not None

    def check_key(self) -> bool:
        """Whether a key mark is here."""
        return not self._asks() and bool(super().check_key())

    def check_plain(self) -> bool:
        """Whether a plain scalar starts here."""
        return self._asks() or bool(super().check_plain())

    def scan_plain(self) -> Any:
        """The plain scalar that starts here."""
        if not self._asks():
            return super().scan_plain()
        start = self.get_mark()
        self.forward(3)
        return yaml.ScalarToken(MISSING, True, start, self.get_mark())


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes every text the loader above would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write shared lists out in full."""
        return True

    def text(self, text: str) -> yaml.ScalarNode:
        """Text, in double quotes where PyYAML would write a line separator as it is."""
        style = '"' if set(text) & set("\x85\u2028\u2029\ufeff") else None
        return self.represent_scalar(f"{TAG}str", text, style=style)


_Dumper.add_representer(str, _Dumper.text)
for _name, (_pattern, _first) in TYPES.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(TAG + _name, re.compile(f"(?:{_pattern})\\Z"), _first)


@dataclass
class Problems:
    """Every mistake noted so far, by key path, and the line of each key in the file."""

    origins: dict[str, str] = field(default_factory=dict)
    """Key path to `line 7` or `command line`."""
    noted: dict[str, list[str]] = field(default_factory=dict)
    """Key path to its sentences."""

    def add(self, path: str, what: str, given: object, todo: str) -> None:
        """Note one mistake; ``given`` is shown as Python writes it."""
        self.say(path, what, shown(given), todo)

    def say(self, path: str, what: str, given: str, todo: str) -> None:
        """Note one mistake with ``given`` already in words."""
        origin = self.origins.get(path)
        place = f" ({origin})" if origin else ""
        sentences = self.noted.setdefault(path, [])
        sentence = f"{path} - {what} - given {given}{place} - {todo}"
        if sentence not in sentences:
            sentences.append(sentence)

    def lines(self) -> list[str]:
        """All sentences, in the order they were noted."""
        return [sentence for sentences in self.noted.values() for sentence in sentences]

    def __contains__(self, path: object) -> bool:
        return path in self.noted


def shown(value: object) -> str:
    """A value in at most 80 characters of one line.

    >>> shown("lora"), shown(None)
    ("'lora'", 'null')
    """
    if isinstance(value, bool):
        return str(value).lower()
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def join(path: str, key: str) -> str:
    """Key path of a key in a section.

    >>> join("data", "train"), join("", "data")
    ('data.train', 'data')
    """
    return f"{path}.{key}" if path else key


class _Reader:
    """Turns one YAML node graph into plain containers, noting lines and mistakes."""

    def __init__(self, problems: Problems, origin: str | None) -> None:
        self.problems = problems
        self.origin = origin
        self.nodes = 0
        self.open: set[int] = set()

    def read(self, node: yaml.Node, path: str) -> Any:
        """Value of a node; None where it had to be refused."""
        place = self.origin or f"line {node.start_mark.line + 1}"
        if path:
            self.problems.origins.setdefault(path, place)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise _Refused(
                "too large",
                f"more than {MOST_NODES} values after its aliases",
                "write it without nested aliases",
            )
        if id(node) in self.open:
            raise _Refused("contains itself", f"an alias at {path} in {place}", "remove it")
        kind = node.tag.removeprefix(TAG)
        if kind not in ("map", "seq", "str", *TYPES):
            tag = node.tag.replace(TAG, "!!")
            todo = "remove the tag: recipes hold no code and no objects"
            self.problems.say(path, "refused", f"the tag {tag}", todo)
            return None
        self.open.add(id(node))
        try:
            return self._value(node, path, kind)
        finally:
            self.open.discard(id(node))

    def _value(self, node: yaml.Node, path: str, kind: str) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, f"{path}[{i}]") for i, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node.value, path, kind)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            line = key_node.start_mark.line + 1
            here = join(path, key) if isinstance(key, str) else path
            if key_node.tag != f"{TAG}str" or not isinstance(key, str):
                given = key if isinstance(key, str) else "a list or mapping"
                todo = "keys are text; put it in quotes if it is meant as text"
                self.problems.say(here, "not a key", f"{given} in line {line}", todo)
            elif key in lines:
                given = f"again in line {line}"
                self.problems.say(here, "duplicate key", given, "keep one of them")
            else:
                lines[key] = line
                self.problems.origins.setdefault(here, self.origin or f"line {line}")
                result[key] = self.read(value_node, here)
        return result

    def _scalar(self, text: str, path: str, kind: str) -> Any:
        if kind == "null":
            return None
        try:
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except (ValueError, KeyError):
            self.problems.add(path, f"not a {kind}", text, "correct it or remove the tag")
            return None
        return text


class _Refused(Exception):
    """The text as a whole cannot be used; holds the last three parts of the sentence."""


def read_yaml(text: str, problems: Problems, path: str, origin: str | None = None) -> Any:
    """Read YAML into plain containers; mistakes go to ``problems`` under ``path``.

    Args:
        text: What the file or the override says.
        problems: Collects mistakes and the line of every key.
        path: Key path of the text's own top level; empty for a whole file.
        origin: What to say instead of a line number, as for the command line.
    """
    if origin:
        problems.origins[path] = origin
    try:
        if len(text) > MOST_CHARACTERS:
            raise _Refused("too large", f"{len(text)} characters", f"at most {MOST_CHARACTERS}")
        node = yaml.compose(text, Loader=_Loader)
        return None if node is None else _Reader(problems, origin).read(node, path)
    except _Refused as refusal:
        problems.say(path or "recipe", *refusal.args)
    except RecursionError:
        problems.say(path or "recipe", "too large", "too many levels of nesting", "flatten it")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark and not origin else ""
        todo = (
            "correct it; text with any of {}[],:#? in it needs quotes"
            if not origin
            else "quote the value: key='[1, 2]'"
        )
        problems.say(path or "recipe", "not YAML", f"{reason}{place}", todo)
    return None


def apply_override(data: dict[str, Any], text: str, problems: Problems) -> None:
    """Put one `key.path=value` into ``data``; the value is typed by YAML.

    `~key.path` takes a key out, and so does `key.path=null` where the key holds a block.
    """
    if text.startswith("~") and text[1:].strip():
        _take_out(data, text, problems)
        return
    path, equals, value = text.partition("=")
    path = path.strip()
    parts = path.split(".")
    if not equals or not all(parts):
        todo = "write key.path=value, or ~key.path to take a key out"
        problems.say("command line", "not an override", shown(text), todo)
        return
    section = data
    for depth, part in enumerate(parts[:-1]):
        if part not in section:
            section[part] = {}
            problems.origins[".".join(parts[: depth + 1])] = "command line"
        inner = section[part]
        if not isinstance(inner, dict):
            problems.say(
                path,
                "cannot be set",
                shown(text),
                f"{'.'.join(parts[: depth + 1])} is not a section; give all of it",
            )
            return
        section = inner
    _forget(path, problems)
    given = read_yaml(value, problems, path, "command line")
    if given is None and isinstance(section.get(parts[-1]), dict) and path not in problems:
        del section[parts[-1]]
    else:
        section[parts[-1]] = given


def _take_out(data: dict[str, Any], text: str, problems: Problems) -> None:
    path = text[1:].strip()
    section: Any = data
    holder: dict[str, Any] = {}
    for part in path.split("."):
        known = list(section) if isinstance(section, dict) else []
        if part not in known:
            hint = did_you_mean(part, known)
            todo = f"there are {', '.join(map(str, known)) or 'no keys'}"
            problems.say(path, f"not there to take out{hint}", shown(text), todo)
            return
        holder, section = section, section[part]
    del holder[part]
    _forget(path, problems)


def _forget(path: str, problems: Problems) -> None:
    """What was noted of a key and of all in it no longer counts."""
    for known in [key for key in problems.origins if _inside(key, path)]:
        del problems.origins[known]
    for known in [key for key in problems.noted if _inside(key, path)]:
        del problems.noted[known]


def _inside(key: str, path: str) -> bool:
    return key == path or key.startswith((f"{path}.", f"{path}["))


def _walk(value: Any, path: str = "") -> Iterator[tuple[str, Any, Any, Any]]:
    """Path, container, key and value of everything inside a container."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        here = join(path, key) if isinstance(value, dict) else f"{path}[{key}]"
        yield here, value, key, inner
        if isinstance(inner, dict | list):
            yield from _walk(inner, here)


def _target(data: dict[str, Any], path: str) -> Any:
    value: Any = data
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            raise KeyError(path)
        value = value[part]
    return value


def _reference_problem(data: dict[str, Any], text: str) -> tuple[str, str] | None:
    """What is wrong with the interpolations of one text, and what to do."""
    if "${" in REFERENCE.sub("", text) or "\\${" in text:
        return "refused", "only ${key.path} references are read, nothing of the environment"
    for path in REFERENCE.findall(text):
        try:
            value = _target(data, path)
        except KeyError:
            return f"refers to {path}, which is not there", "name a key of the recipe"
        if value is None or isinstance(value, dict | list):
            return f"refers to {path}, which is not one plain value", "refer to text or a number"
        # One step only: chains could grow without bound or run in a circle.
        if value == MISSING or (isinstance(value, str) and "${" in value):
            return f"refers to {path}, which has no value of its own", "refer to text or a number"
    return None


def resolve_references(data: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """A copy of ``data`` with `${a.b}` filled in; code and other interpolations are refused."""
    refused = []
    for path, container, key, value in _walk(data):
        if isinstance(key, str) and CODE_KEY.fullmatch(key):
            problems.say(path, "refused", shown(value), "remove it: recipes name no code to call")
        if isinstance(value, str) and "${" in value and (wrong := _reference_problem(data, value)):
            problems.add(path, wrong[0], value, wrong[1])
            refused.append((container, key))
    for container, key in refused:
        container[key] = None
    resolved = OmegaConf.to_container(OmegaConf.create(data), resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def dump_yaml(data: dict[str, Any]) -> str:
    """YAML that :func:`read_yaml` reads back to an equal mapping."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def in_one_line(value: object) -> str:
    """Plain containers as YAML in one line, as an override takes them.

    >>> in_one_line({"kind": "table", "path": "a, b.csv", "root": "5e-4"})
    "{kind: table, path: 'a, b.csv', root: '5e-4'}"
    """
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=math.inf,
    )
    return text.strip()
