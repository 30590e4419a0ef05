"""JSON Schema and loader take the same recipes; mutated recipes end well in every way."""

import contextlib
import copy
import io
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapt.cli import app as cli
from adapt.common.ranges import ranges_of
from adapt.common.typed import options_of
from adapt.data.settings import FromTrain, ShiftSettings
from adapt.data.sources.base import source_kinds
from adapt.errors import AdaptError
from adapt.methods.base import schemas
from adapt.recipe.build import fields_of
from adapt.recipe.json_schema import RULES, recipe_schema
from adapt.recipe.load import load
from adapt.recipe.schema import Recipe
from adapt.recipe.shipped import recipe_names
from adapt.recipe.text import dump_yaml
from adapt.training.settings import Optim, Runtime

FREE = {
    "context",
    "image",
    "label",
    "split",
    "table",
    "domain",
    "name",
    "kind",
    "of",
    "column",
    "separator",
    "label_columns",
    "groups",
}
"""Texts that may be anything: names of columns, splits, classes and files inside others."""
ELSEWHERE = {"version", "select", "augmentation", "corruptions", "shift", "class_weights"}
ELSEWHERE |= {"candidates", "templates", "parts", "method"}
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 5, 101, 10**22, 0.5, -0.25, 1.5, 1e-300, "", " ", "x", "auto",
    "none", "???", "gpux", "ddpp", "cosine", "train", "val", "test", "uniform", "${seed}",
    "${no.key}", "${oc.env:HOME}", "../up", "con", [], {}, [1], [1, 1], [9], ["x"], ["html"],
    ["html", "html"], {"a": 1}, {"kind": "folder"}, {"from": "train"}, {"of": "test"},
]  # fmt: skip


class Held:
    """The schema, and every shipped recipe with all its settings, on a folder that is there."""

    def __init__(self, photos: Path) -> None:
        schema = json.loads(json.dumps(recipe_schema()))
        jsonschema.Draft202012Validator.check_schema(schema)
        self.validator = jsonschema.Draft202012Validator(schema)
        self.recipes: dict[str, dict[str, Any]] = {}
        for name in recipe_names():
            try:
                self.recipes[name] = load(name).resolved
            except AdaptError:
                self.recipes[name] = load(name, photos=photos).resolved

    def __repr__(self) -> str:
        return "Held()"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    photos = tmp_path_factory.mktemp("photos")
    for label in ("cat", "dog"):
        (photos / label).mkdir()
        (photos / label / "1.jpg").touch()
    return Held(photos)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value inside plain containers."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from paths_of(inner, (*path, key))


def mutated(recipe: dict[str, Any], draw: st.DataObject) -> dict[str, Any]:
    """A recipe with one value replaced or taken out, or one key too many."""
    changed = copy.deepcopy(recipe)
    path = draw.draw(st.sampled_from(list(paths_of(changed))), label="path")
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    kind = draw.draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
    value = copy.deepcopy(draw.draw(st.sampled_from(VALUES), label="value"))
    if kind == "replace" or isinstance(holder, list):
        holder[path[-1]] = value
    elif kind == "remove":
        del holder[path[-1]]
    else:
        holder[f"{path[-1]}x"] = value
    return changed


def problems_of(recipe: dict[str, Any], folder: Path) -> list[str]:
    """What the loader says is wrong; each recipe that it takes loads again to an equal one."""
    file = folder / "mutated.yaml"
    file.write_text(dump_yaml(recipe), encoding="utf-8")
    try:
        loaded = load(file)
    except AdaptError as error:
        return str(error).splitlines()[1:] or [str(error)]
    file.write_text(loaded.text(), encoding="utf-8")
    assert load(file).resolved == loaded.resolved
    return []


def check_equal(recipe: dict[str, Any], held: Held, folder: Path) -> None:
    problems = problems_of(recipe, folder)
    plain = json.loads(json.dumps(recipe))
    refusals = [error.json_path for error in held.validator.iter_errors(plain)]
    if refusals:
        assert problems, f"only the schema refuses {refusals}"
    elif "${" not in str(recipe):
        alone = [line for line in problems if not any(rule in line for rule in RULES)]
        alone = [line for line in alone if "data.augmentation" not in line]
        assert not alone, "only the loader refuses this"


# A failure is told by its path and value; to look for a smaller one takes minutes.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(deadline=None, max_examples=60, phases=WITHOUT_SHRINKING)
@given(draw=st.data())
def test_schema_and_loader_take_the_same(
    draw: st.DataObject, held: Held, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = draw.draw(st.sampled_from(sorted(held.recipes)))
    check_equal(mutated(held.recipes[name], draw), held, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@settings(deadline=None, max_examples=1000, phases=WITHOUT_SHRINKING)
@given(draw=st.data())
def test_a_thousand_mutated_recipes_end_well(
    draw: st.DataObject, held: Held, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = draw.draw(st.sampled_from(sorted(held.recipes)))
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    recipe = mutated(mutated(held.recipes[name], draw), draw)
    began = time.process_time()  # not by the clock: the machine may be busy
    check_equal(recipe, held, folder)
    (folder / "mutated.yaml").write_text(dump_yaml(recipe), encoding="utf-8")
    said = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
    ):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["adapt", "validate", "mutated.yaml"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code in (0, 2, None), said.getvalue()
    assert "Traceback" not in said.getvalue()
    assert [path.name for path in folder.iterdir()] == ["mutated.yaml"]
    assert time.process_time() - began < 10


def test_shipped_recipes_are_valid(held: Held) -> None:
    for name, recipe in held.recipes.items():
        assert held.validator.is_valid(recipe), name


def sections_of(schema: type) -> list[type]:
    """A dataclass of settings and all that are in it."""
    inner = {
        option
        for hint in get_type_hints(schema).values()
        for part in (hint, *get_args(hint))
        for option in options_of(part)
        if is_dataclass(option) and isinstance(option, type)
    }
    return [schema, *(section for part in inner - {schema} for section in sections_of(part))]


def test_every_setting_has_a_range_or_is_free_text() -> None:
    kinds = {*source_kinds().values(), *schemas().values(), *sections_of(Recipe), Optim}
    assert {Runtime, FromTrain, ShiftSettings} <= kinds
    open_settings = [
        f"{schema.__name__}.{field.name}"
        for schema in kinds
        if schema.__module__.startswith("adapt.")
        for field in fields_of(schema).values()
        if field.name not in ranges_of(schema)
        and field.name not in FREE | ELSEWHERE
        and "path" not in field.metadata
        and set(options_of(get_type_hints(schema)[field.name])) & {int, float, str}
    ]
    assert not open_settings
