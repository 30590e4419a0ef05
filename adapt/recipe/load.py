"""Recipes: find them, load them strictly, and say everything that is wrong with one at once.

No image, weight or device is touched, and torch is not imported. Only `run`, `cli` and `pretrain`
know recipes; all floors below take plain arguments.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapt.common.words import is_file_name, listed
from adapt.errors import RecipeError, did_you_mean
from adapt.recipe.augmentation import check_balance, check_steps
from adapt.recipe.build import Builder, to_plain
from adapt.recipe.choices import CORRUPTIONS
from adapt.recipe.schema import RESERVED_EVALS, Eval, Recipe, eval_names, expand_evals
from adapt.recipe.source_settings import Shift, Source
from adapt.recipe.text import (
    Problems,
    apply_override,
    dump_yaml,
    join,
    read_yaml,
    resolve_references,
    shown,
)

__all__ = [
    "Eval",
    "Loaded",
    "Recipe",
    "Shift",
    "Source",
    "expand_evals",
    "find_recipe",
    "load_recipe",
    "recipe_names",
    "recipe_summary",
    "recipes_folder",
]

# Kinds of source whose `path` may be a folder.
FOLDER_KINDS = ("shards", "huggingface")
# These have their own schema and are not for `adapt run`.
PRETRAINING = "pretrain"
NAME_RULE = "choose another name, of letters, digits, hyphens and underscores, 64 at most"


@dataclass
class Loaded:
    """A recipe without mistakes."""

    recipe: Recipe
    """Every section but the method's as typed objects."""
    method: Any
    """The method: an instance of the dataclass registered under its name."""
    resolved: dict[str, Any]
    """All of it, defaults and overrides included, as plain containers."""

    def text(self) -> str:
        """YAML that loads to an equal recipe."""
        return dump_yaml(self.resolved)


def load_recipe(
    path: str | Path,
    overrides: Sequence[str],
    schemas: Mapping[str, type],
    shift_kinds: Collection[str],
    transforms: Mapping[str, type] | None = None,
) -> Loaded:
    """Read a recipe, put overrides in, and check all of it.

    Args:
        path: File, or name of a shipped recipe.
        overrides: Texts `key.path=value`; the value is typed by YAML. The last one wins.
        schemas: Method dataclasses by name.
        shift_kinds: Kinds of synthetic shift that evals may use.
        transforms: Dataclasses of what an own list of augmentation steps may name; none without.

    Raises:
        RecipeError: Lists every mistake, one a line, with key path and line.
    """
    file = find_recipe(path)
    problems = Problems()
    data = _read(file, problems)
    for override in overrides:
        apply_override(data, override, problems)
    if "recipe" in problems:
        raise _error(file, problems)
    data = resolve_references(data, problems)
    builder = Builder(problems)
    recipe = builder.section(Recipe, data, "")
    method = _method(builder, data, schemas)
    steps = check_steps(builder, data, transforms or {})
    check_balance(builder, None if method is None else type(method))
    _check_evals(builder, data, shift_kinds)
    _check_choices(builder, data)
    _check_corruptions(builder, shift_kinds)
    _check_holdout(builder, data)
    _check_files(builder, data)
    if problems.found:
        raise _error(file, problems)
    assert isinstance(recipe, Recipe)
    recipe.data.augmentation = steps or recipe.data.augmentation
    recipe.method = {"name": data["method"]["name"], **to_plain(method)}
    return Loaded(recipe, method, to_plain(recipe))


Section = TypeVar("Section")


def load_section(
    path: str | Path, overrides: Sequence[str], schema: type[Section], needed: Collection[str] = ()
) -> Section:
    """Read a file of one dataclass, such as a pretraining recipe, as strictly as a recipe.

    Args:
        path: File, or name of a shipped recipe.
        overrides: Texts `key.path=value`.
        schema: The dataclass.
        needed: Keys whose value is a folder that must be there.

    Raises:
        RecipeError: Lists every mistake, one a line, with key path and line.
    """
    file, problems = find_recipe(path), Problems()
    data = _read(file, problems)
    for override in overrides:
        apply_override(data, override, problems)
    if "recipe" in problems:
        raise _error(file, problems)
    builder = Builder(problems)
    section = builder.section(schema, resolve_references(data, problems), "")
    for key in needed:
        folder = builder.built.get(key)
        if folder and not _exists(folder, folder=True):
            problems.add(key, "no such folder", folder, f"correct it, or {key}=PATH")
    if problems.found:
        raise _error(file, problems)
    assert isinstance(section, schema)
    return section


def _error(file: Path, problems: Problems) -> RecipeError:
    lines = problems.lines()
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return RecipeError("\n  ".join([f"{file}: {count}", *lines]))


def _read(file: Path, problems: Problems) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problems.say("recipe", "not UTF-8 text", f"byte {error.start}", "save it as UTF-8")
        return {}
    except OSError as error:
        problems.say("recipe", "cannot be read", error.strerror or str(error), "check the file")
        return {}
    data = read_yaml(text, problems, "")
    if isinstance(data, dict) or "recipe" in problems:
        return data if isinstance(data, dict) else {}
    if data is None:
        problems.say("recipe", "empty", "nothing", "start from a copy of a shipped recipe")
    else:
        problems.say("recipe", "not a mapping", shown(data), "write `key: value` lines")
    return {}


def _method(builder: Builder, data: dict[str, Any], schemas: Mapping[str, type]) -> Any:
    """Second pass: the method section, by the dataclass of the method it names."""
    given = data.get("method")
    known = listed(sorted(schemas))
    problems = builder.problems
    if not isinstance(given, dict):
        if "method" not in problems:
            todo = f"write `method: {{name: NAME}}`; known: {known}"
            problems.say("method", "missing", "nothing", todo)
        return None
    here = "method.name"
    name = given.get("name")
    if here in problems:
        return None
    if "name" not in given:
        problems.say(here, "missing", "nothing", f"choose one of {known}")
    elif not isinstance(name, str) or name not in schemas:
        hint = did_you_mean(str(name), schemas)
        problems.add(here, f"not a method{hint}", name, f"choose one of {known}")
    else:
        settings = {key: value for key, value in given.items() if key != "name"}
        return builder.section(schemas[name], settings, "method")
    return None


def _check_evals(builder: Builder, data: dict[str, Any], shift_kinds: Collection[str]) -> None:
    evals = data.get("evals")
    if not isinstance(evals, dict):
        return
    taken: dict[str, str] = {}
    for name, given in evals.items():
        here = join("evals", name)
        problem = _name_problem(name)
        if problem:
            builder.problems.add(here, problem, name, NAME_RULE)
        section = builder.built.get(here)
        for full in eval_names(name, section) if section is not None else [name]:
            # Names become file names, and some file systems do not tell `Test` from `test`.
            other = taken.setdefault(full.casefold(), name)
            if other != name:
                builder.problems.add(here, f"same name as evals.{other}", full, "rename one")
        if isinstance(given, dict) and "of" in given:
            _check_shift(builder, here, evals, shift_kinds)
            continue
        for key in ("shots", "fraction", "group"):
            if f"{here}.{key}" in builder.built and given[key] is not None:
                todo = f"remove it; {key} belongs to data.train"
                builder.problems.add(f"{here}.{key}", "evals are never sampled", given[key], todo)


def _name_problem(name: str) -> str | None:
    if name.casefold() in RESERVED_EVALS:
        return f"{name.casefold()} is not a test set, the name is reserved"
    return None if is_file_name(name) else "not safe in a file name"


def _check_shift(
    builder: Builder, here: str, evals: dict[str, Any], shift_kinds: Collection[str]
) -> None:
    target = builder.built.get(f"{here}.of")
    kind = builder.built.get(f"{here}.shift")
    natural = [
        name
        for name, one in evals.items()
        if isinstance(one, dict) and "of" not in one and not one.get("retention")
    ]
    if target is not None and target not in natural:
        what = "not an eval" + did_you_mean(target, natural)
        if target in evals:
            stacked = f"{join('evals', target)}.of" in builder.built
            kind_of = "shift, and shifts" if stacked else "retention set, and these"
            what = f"is itself a {kind_of} are not {'stacked' if stacked else 'shifted'}"
        todo = f"choose one of {listed(natural)}" if natural else "add a natural eval first"
        builder.problems.add(f"{here}.of", what, target, todo)
    if kind is not None:
        _check_kind(builder, f"{here}.shift", kind, shift_kinds)


def _check_kind(builder: Builder, here: str, kind: str, shift_kinds: Collection[str]) -> None:
    if kind not in shift_kinds:
        what = f"not a shift{did_you_mean(kind, shift_kinds)}"
        builder.problems.add(here, what, kind, f"choose one of {listed(sorted(shift_kinds))}")


def _check_corruptions(builder: Builder, shift_kinds: Collection[str]) -> None:
    for place, kind in enumerate(builder.built.get("ensemble.corruptions") or []):
        _check_kind(builder, f"ensemble.corruptions[{place}]", kind, {*shift_kinds, *CORRUPTIONS})


def _check_choices(builder: Builder, data: dict[str, Any]) -> None:
    """Test data cannot leak: whatever is chosen is chosen on val."""
    here = "ensemble.select"
    select = builder.built.get(here, "val")
    if select == "val":
        return
    evals = data.get("evals")
    if isinstance(evals, dict) and select in evals:
        what = "evals are test data, and nothing may be chosen on test data"
    elif select == "train":
        what = "the model has learned these images, alpha 1 would always win"
    else:
        what = "not a split to choose on"
    builder.problems.add(here, what, select, "write val, the only split alpha may be chosen on")


def _check_holdout(builder: Builder, data: dict[str, Any]) -> None:
    section = data.get("data")
    val = section.get("val") if isinstance(section, dict) else None
    if isinstance(val, dict) and val.get("folds") is not None and "fraction" in val:
        here = "data.val.folds"
        builder.problems.add(here, "does not go with fraction", val["folds"], "keep one of them")
    if isinstance(val, dict) and val.get("by") in ("split", "stored") and "fraction" in val:
        problem, todo = f"does not go with by {val['by']}", "remove it: the images are named"
        builder.problems.add("data.val.fraction", problem, val["fraction"], todo)


def _check_files(builder: Builder, data: dict[str, Any]) -> None:
    """Folders and tables that are named must be there, relative to the current folder."""
    sources = ["data.train", "data.val", "uncertainty.unknown"]
    if isinstance(data.get("evals"), dict):
        sources += [join("evals", name) for name in data["evals"]]
    parts = {source: builder.built.get(f"{source}.parts") or [] for source in sources}
    sources += [f"{source}.parts[{i}]" for source in parts for i in range(len(parts[source]))]
    folders = [f"{source}.root" for source in sources]
    files = ["data.classes", "data.exclude", "data.val.file", "robustness.reference"]
    keys = ("path", "classes", "class_list")
    files += [f"{source}.{key}" for source in sources for key in keys]
    either = {f"{one}.path" for one in sources if builder.built.get(f"{one}.kind") in FOLDER_KINDS}
    for here in [*folders, *files]:
        value = builder.built.get(here)
        if not value or here in builder.problems:
            continue
        found = _exists(value, folder=here in folders)
        if here in either:
            # Of shards given as a pattern, their reader says which are missing.
            found = found or _exists(value, folder=True) or "{" in value
        if not found:
            kind = "folder" if here in folders else "file"
            builder.problems.add(here, f"no such {kind}", value, f"correct it, or {here}=PATH")


def _exists(value: str, folder: bool) -> bool:
    try:
        path = Path(value).expanduser()
        return path.is_dir() if folder else path.is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def recipes_folder() -> Path:
    """Folder of the shipped recipes: inside the installed package, or of the repository."""
    package = Path(__file__).parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted: paths in the recipes folder, without `.yaml`."""
    folder = recipes_folder()
    names = (file.relative_to(folder).with_suffix("") for file in folder.rglob("*.yaml"))
    return sorted(name.as_posix() for name in names if name.parts[0] != PRETRAINING)


def find_recipe(name_or_path: str | Path) -> Path:
    """The file of a recipe, given as a path or as the name of a shipped one.

    Raises:
        RecipeError: When there is neither; suggests the nearest name.
    """
    path = Path(name_or_path)
    if _exists(str(path), folder=False):
        return path
    names = recipe_names()
    asked = str(name_or_path)
    if asked in names or (asked.startswith(f"{PRETRAINING}/") and ".." not in path.parts):
        shipped = recipes_folder() / f"{asked}.yaml"
        if shipped.is_file():
            return shipped
    what = "is a folder" if _exists(asked, folder=True) else "no such recipe"
    hint = did_you_mean(path.stem if path.suffix else asked, names)
    raise RecipeError(
        f"recipe - {what}{hint} - given {asked!r} - "
        f"give a YAML file or one of: {listed(names) or 'none is shipped'}"
    )


def recipe_summary(path: str | Path) -> str:
    """What a recipe says about itself: its first comment line, or nothing."""
    for line in Path(path).read_text(encoding="utf-8-sig").splitlines():
        if line.startswith("#") and line.strip("# "):
            return line.strip("# ")
        if line.strip() and not line.startswith("#"):
            break
    return ""
