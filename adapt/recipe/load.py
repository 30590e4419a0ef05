"""Recipes: find them, load them strictly, and say everything that is wrong with one at once.

Nothing heavy is imported until a recipe is loaded. Only `cli`, `runs` and `checks` know recipes;
the rooms below take plain arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapt.common.words import MISSING, listed
from adapt.errors import RecipeError, did_you_mean
from adapt.recipe.build import Builder, to_plain
from adapt.recipe.photos import DEFAULT_RECIPE, is_photos, name_of, put_photos
from adapt.recipe.rules import (
    check_balance,
    check_candidates,
    check_choices,
    check_corruptions,
    check_evals,
    check_files,
    check_holdout,
    check_line,
    check_members,
    check_pairs,
    check_several_labels,
    check_steps,
    check_strategy,
    check_towers,
)
from adapt.recipe.schema import Recipe
from adapt.recipe.shipped import find_recipe
from adapt.recipe.text import (
    Problems,
    apply_override,
    dump_yaml,
    read_yaml,
    resolve_references,
    shown,
)


@dataclass
class Loaded:
    """A recipe without mistakes."""

    recipe: Recipe
    """Every section but the method's as typed objects."""
    method: Any
    """The method: an instance of the dataclass registered under its name."""
    resolved: dict[str, Any]
    """All of it, defaults and overrides included, as plain containers."""
    recipe_name: str = ""
    """Name of the recipe's file, also where the run bears that of its photos."""
    notes: list[str] = field(default_factory=list)
    """What is worth knowing about the photos that were given, one sentence each."""

    def text(self) -> str:
        """YAML that loads to an equal recipe."""
        return dump_yaml(self.resolved)


def load(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    schemas: Mapping[str, type] | None = None,
    photos: str | Path | None = None,
) -> Loaded:
    """Read a recipe, put overrides in, and check all of it; opens no image, weight or device.

    Args:
        recipe: File, or name of a shipped recipe; or photos, for the recipe `one_folder`.
        overrides: Texts `key.path=value`; the value is typed by YAML. `~key.path` takes a key out.
            The last one wins.
        schemas: Method dataclasses by name; those of all registered methods if None.
        photos: Folder, table, archive or pattern of shards that the recipe is to train on.

    Raises:
        RecipeError: Lists every mistake, one per line, with key path and line.
        DataError: When there are no such photos.
    """
    if photos is None and is_photos(recipe):
        recipe, photos = DEFAULT_RECIPE, recipe
    if schemas is None:
        from adapt import methods

        schemas = methods.schemas()
    file = find_recipe(recipe)
    problems = Problems()
    data = read_mapping(file, problems)
    notes = [] if photos is None else put_photos(data, photos)
    if photos is not None and recipe == DEFAULT_RECIPE:
        data["name"] = name_of(photos)
    _name_method(data, problems)
    for override in overrides:
        apply_override(data, override, problems)
        _name_method(data, problems)
    if "recipe" in problems:
        raise all_mistakes(file, problems)
    data = resolve_references(data, problems)
    builder = Builder(problems)
    read = builder.section(Recipe, data, "")
    method = _method(builder, data, schemas)
    steps = check_steps(builder, data)
    check_balance(builder, None if method is None else type(method))
    check_members(builder, None if method is None else type(method))
    check_strategy(builder, method)
    check_pairs(builder, data, None if method is None else type(method))
    check_towers(builder, data, None if method is None else type(method))
    check_evals(builder, data)
    check_choices(builder, data)
    check_candidates(builder, data)
    check_corruptions(builder)
    check_line(builder)
    check_several_labels(builder, None if method is None else type(method))
    check_holdout(builder, data)
    check_files(builder)
    if problems.noted:
        raise all_mistakes(file, problems)
    assert isinstance(read, Recipe)
    read.data.augmentation = steps or read.data.augmentation
    read.method = {"name": data["method"]["name"], **to_plain(method)}
    return Loaded(read, method, to_plain(read), file.stem, notes)


def all_mistakes(file: Path, problems: Problems) -> RecipeError:
    """One error that lists every mistake, one per line."""
    lines = problems.lines()
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return RecipeError("\n  ".join([f"{file}: {count}", *lines]))


def read_mapping(file: Path, problems: Problems) -> dict[str, Any]:
    """The content of a YAML file; what is wrong with it goes to `problems`."""
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


def _name_method(data: dict[str, Any], problems: Problems) -> None:
    """Put the section in the place of a mere name: `method: lora` is `method: {name: lora}`."""
    if isinstance(name := data.get("method"), str) and name not in ("", MISSING):
        data["method"] = {"name": name}
        problems.origins["method.name"] = problems.origins.get("method", "")


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
