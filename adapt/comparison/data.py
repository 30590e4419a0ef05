"""The images that two models are compared on: a test set, and shifts by name."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapt.checks.sources import RECIPE_SUFFIXES, no_table, read_sets
from adapt.common.typed import resolve_path
from adapt.common.words import is_file_name, listed
from adapt.data.labels.label_sets import LabelColumns
from adapt.data.labels.suffixes import TABLE_SUFFIXES
from adapt.data.shifts.shift import SHIFTS, Shift
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.layout import DOMAINS, layout_of, source_of
from adapt.errors import DataError, RecipeError
from adapt.recipe.photos import domain_words
from adapt.recipe.shipped import recipe_names

Data = str | Path | ImageList | Mapping[str, ImageList]
SetsAndNotes = tuple[dict[str, ImageList], list[str]]


@dataclass(frozen=True)
class TableForm:
    """How tables of images are read."""

    root: str | Path | None = None
    """The folder that their paths are relative to; that of the table if not given."""
    labels: LabelColumns | None = None
    """Where the labels of an image are, if it may have several or none."""


def sets_to_compare(
    data: Data, shifts: Sequence[str] = (), table: TableForm | None = None
) -> SetsAndNotes:
    """The sets by name, the test set first, and what is worth knowing of them.

    Args:
        data: Folder, table or archive of labelled images, of which test images are taken where
            splits are named; a recipe, of which all test sets are taken; or images, one list or
            several by name.
        shifts: Further sets, as `NAME=DATA`, or as `NAME=KIND:SEVERITY` for a corruption of the
            test set.
        table: How tables are read.

    Raises:
        DataError: When something cannot be read, the folders are domains, with what to write, or
            it is no table and is
            to be read as such.
        RecipeError: When a shift is not written in this form, or a name is taken.
    """
    notes: list[str] = []
    if table is not None and not _is_table(data):
        raise no_table(data)
    if isinstance(data, ImageList):
        sets = {"test": data}
    elif isinstance(data, Mapping):
        sets = dict(data)
    elif _is_recipe(data):
        sets = _of_recipe(data, notes)
    else:
        sets = _read(data, notes, table)
    for text in shifts:
        name, _, given = text.partition("=")
        if not given or not is_file_name(name):
            raise RecipeError(
                f"--shift - not NAME=DATA - {text!r} - write a name and images, such as "
                "sketch=photos/sketch, or a corruption, such as fog=fog:3"
            )
        if name in sets:
            raise RecipeError(f"--shift - name taken - {name!r} - choose another name")
        sets[name] = _shift(given, next(iter(sets.values())), notes, table)
    return sets, notes


def _is_table(data: Data) -> bool:
    return isinstance(data, str | Path) and Path(data).suffix.lower() in TABLE_SUFFIXES


def _is_recipe(data: str | Path) -> bool:
    known = Path(data).suffix.lower() in RECIPE_SUFFIXES
    return known or (str(data) in recipe_names() and not resolve_path(data).exists())


def _of_recipe(data: str | Path, notes: list[str]) -> dict[str, ImageList]:
    from adapt.recipe.data import build_data
    from adapt.recipe.load import load

    built = build_data(load(data).recipe)
    if not built.evals:
        raise DataError(f"{data} - no test set - its `evals` are empty - add one")
    notes += [note for note in built.notes if note.startswith("LEAK")]
    return built.evals


def _read(data: str | Path, notes: list[str], table: TableForm | None) -> dict[str, ImageList]:
    path = resolve_path(data)
    if path.is_dir() and source_of(path)["kind"] == "folder":
        layout = layout_of(path)
        if layout.kind == DOMAINS:
            _refuse_domains(data, list(layout.domains))
    form = table if table is not None and _is_table(data) else TableForm()
    sets = read_sets(data, form.root, form.labels)
    notes += sets.notes
    if len(sets.images) == 1:
        return {sets.name or "test": next(iter(sets.images.values()))}
    for name in ("test", "val"):
        if name in sets.images:
            rest = [other for other in sets.images if other != name]
            notes.append(f"compared on {name}; {listed(rest)} left out")
            return {name: sets.images[name]}
    raise DataError(
        f"{data} - no test images - its splits are {listed(list(sets.images))} - give the images "
        "of one of them"
    )


def _refuse_domains(data: str | Path, domains: list[str]) -> None:
    first, *others = map(shlex.quote, domain_words(data, domains))
    words = [first, *(word.replace("evals.", "--shift ", 1) for word in others)]
    raise DataError(
        f"{data} - its folders are domains, not classes - {listed(domains)} - give the one that "
        f"the models were made for, and the others as shifts: adapt diff A B {' '.join(words)}"
    )


def _shift(given: str, test: ImageList, notes: list[str], table: TableForm | None) -> ImageList:
    kind, colon, severity = given.partition(":")
    if colon and not resolve_path(given).exists() and (kind in SHIFTS or severity.isdecimal()):
        level = int(severity) if severity.isdecimal() else 0
        return test.with_shift(Shift(kind, level))
    images = _read(given, notes, table)
    return next(iter(images.values()))
