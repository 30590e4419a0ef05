"""Photos in the place of a recipe or after it: what is a word of the command, what is a path."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapt.common.typed import FILE, FILES, FOLDER, leads
from adapt.common.words import MISSING, first_few, is_file_name, listed
from adapt.data.sources.base import COMMON
from adapt.data.sources.folders import IMAGE_SUFFIXES
from adapt.data.sources.layout import (
    DOMAINS,
    SPLITS,
    archive_layout,
    layout_of,
    named_splits,
    source_of,
)
from adapt.data.sources.split_names import called
from adapt.errors import DataError, RecipeError
from adapt.recipe.schema import RESERVED_EVALS
from adapt.recipe.shipped import recipe_names

DEFAULT_RECIPE = "one_folder"
"""What photos alone are adapted with."""
CAPTIONED = ("pairs", "embedded_pairs")
"""Kinds of images with captions in place of classes."""
SHIPPED = ("embedded", "embedded_pairs")
"""Kinds of data that ship with `adapt`."""
RECIPE_SUFFIXES = (".yaml", ".yml")
OVERRIDE = re.compile(r"(~[A-Za-z_][\w.-]*|~?[A-Za-z_][\w.\[\]-]*=.*)", re.DOTALL)


@dataclass
class Call:
    """The words of a command, told apart."""

    recipe: str
    photos: str | None = None
    overrides: list[str] = field(default_factory=list)


def read_call(words: Sequence[str]) -> Call:
    """Tell the recipe, the photos and the overrides of a command apart.

    Args:
        words: A recipe, photos, or a recipe and photos; overrides may stand anywhere.

    Raises:
        RecipeError: When there are too many words, or neither a recipe nor photos.

    >>> read_call(["lora_16shot", "photos", "seed=1"])
    Call(recipe='lora_16shot', photos='photos', overrides=['seed=1'])
    """
    overrides = [word for word in words if _is_override(word)]
    rest = [word for word in words if not _is_override(word)]
    if not rest:
        advice = "give a recipe, a folder of photos, or both"
        raise RecipeError(f"command line - nothing to read - given {listed(words)!r} - {advice}")
    if len(rest) > 2:
        advice = "give a recipe and one folder, table or archive; quote a pattern with braces"
        raise RecipeError(f"command line - too many words - given {first_few(rest)} - {advice}")
    if len(rest) == 1 and is_photos(rest[0]):
        return Call(DEFAULT_RECIPE, rest[0], overrides)
    return Call(rest[0], rest[1] if len(rest) > 1 else None, overrides)


def _is_override(word: str) -> bool:
    there = leads(word, FILE) or leads(word, FOLDER)
    return OVERRIDE.fullmatch(word) is not None and not there


def is_photos(given: str | Path) -> bool:
    """Whether this is a folder, table, archive or pattern of shards, and no recipe."""
    text = str(given)
    return (
        text not in recipe_names()
        and Path(text).suffix.lower() not in RECIPE_SUFFIXES
        and leads(text, FILES)
    )


def put_photos(data: dict[str, Any], photos: str | Path) -> list[str]:
    """Let a recipe train on photos: they become `data.train`, in place.

    Where the recipe learns from captions, the photos are read with theirs (`kind: pairs`).
    How many images are drawn and by what they are grouped stays as the recipe says. Folders (or
    rows of a table) of val and test are taken too. Test sets of the recipe that are not named yet,
    or are data that ship with `adapt`, belong to other images and go; without a test set one is
    set aside.

    Args:
        data: The recipe as plain containers.
        photos: Folder, table, archive, or pattern of shards.

    Returns:
        What is worth knowing, one sentence each.

    Raises:
        DataError: When there are no such photos, or splits without train.
        RecipeError: When the folders are domains, with the command to run.
    """
    given = str(photos)
    if not leads(given, FILES):
        advice = "give a folder, table, archive or pattern of shards"
        raise DataError(f"{given} - not found - given as photos - {advice}")
    if Path(given).suffix.lower() in IMAGE_SUFFIXES:
        advice = "give a folder with one folder per class"
        raise DataError(f"{given} - one image - given as photos to learn from - {advice}")
    section = data.get("data")
    if not isinstance(section, dict):
        section = data["data"] = {}
    before = section.get("train")
    captioned = isinstance(before, dict) and before.get("kind") in CAPTIONED
    sets, notes = (_sets_of_pairs(given), list[str]()) if captioned else sets_of(given)
    kept = {key: before[key] for key in COMMON if key in before} if isinstance(before, dict) else {}
    section["train"] = {**sets["train"], **kept}
    if "val" in sets:
        section["val"] = sets["val"]
    evals = data.get("evals")
    evals = _without_placeholders(evals if isinstance(evals, dict) else {})
    if "test" in sets:
        evals["test"] = sets["test"]
    elif not any(_is_natural(section) for section in evals.values()):
        evals = {"test": {"from": "train"}, **evals}
    data["evals"] = evals
    return notes


def name_of(photos: str | Path) -> str:
    """A name for a run on photos, safe in a file name.

    >>> name_of("my photos/"), name_of("../Käfer.zip"), name_of("...")
    ('my_photos', 'K_fer', 'photos')
    """
    stem = Path(photos).resolve().name.split(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")[:60]
    return name if is_file_name(name) else "photos"


def sets_of(given: str | Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The sources of train and, where they are there, of val and test, as recipes write them.

    Args:
        given: Folder, table, archive, or pattern of shards.

    Returns:
        Sources by split, and what is left out, one sentence each.

    Raises:
        DataError: When a table or archive cannot be read, or there are splits without train.
        RecipeError: When the folders are domains, with the command to run.
    """
    source = source_of(given)
    if source["kind"] == "archive" and (layout := archive_layout(given)).kind == DOMAINS:
        what = f"{given} - its folders are domains, not classes - {listed(list(layout.domains))}"
        raise RecipeError(f"{what} - unpack it and give the folder: that says how to go on")
    if source["kind"] != "folder":
        splits = named_splits(source)
        sets = {split: {**source, "split": value} for split, value in splits.items()}
        return sets or {"train": source}, []
    layout = layout_of(given)
    if layout.kind == DOMAINS:
        raise RecipeError(domain_sentence(given, list(layout.domains), layout.shared))
    if layout.kind != SPLITS:
        return {"train": source}, []
    folders = {
        split: {"kind": "folder", "root": str(Path(given, folder.name))}
        for split, folder in layout.splits.items()
    }
    return folders, layout.notes


def _sets_of_pairs(given: str) -> dict[str, dict[str, Any]]:
    """Sources of images with captions by split: folders of these names, or rows of a table."""
    # Here, because it loads pandas.
    from adapt.data.sources.captions.pairs import splits_of

    named = called(splits_of(given))
    if not named:
        return {"train": {"kind": "pairs", "path": given}}
    if leads(given, FOLDER):
        return {s: {"kind": "pairs", "path": str(Path(given, n))} for s, n in named.items()}
    return {s: {"kind": "pairs", "path": given, "split": n} for s, n in named.items()}


def _is_natural(section: Any) -> bool:
    if not isinstance(section, dict):
        return True
    others = bool(section.get("retention")) or section.get("kind") == "retrieval"
    return "of" not in section and not others


def _without_placeholders(evals: dict[str, Any]) -> dict[str, Any]:
    """Test sets without those that are not named yet, or are data that ship with `adapt`."""

    def stays(section: Any) -> bool:
        if not isinstance(section, dict):
            return bool(section != MISSING)
        return MISSING not in section.values() and section.get("kind") not in SHIPPED

    return {name: section for name, section in evals.items() if stays(section)}


def domain_sentence(folder: str | Path, domains: Sequence[str], shared: Sequence[str]) -> str:
    """What to say of a folder whose folders are domains, with the command to run in its place.

    >>> print(domain_sentence("pacs", ["photo", "sketch"], ["dog", "cat"]))
    pacs - its folders are domains, not classes - photo, sketch each hold dog, cat - adapt on one \
    and take the others as shifts: adapt run pacs/photo evals.sketch=pacs/sketch (if they are \
    classes: adapt run one_folder data.train.root=pacs)
    """
    command = shlex.join(["adapt", "run", *domain_words(folder, domains)])
    explicit = shlex.join(["adapt", "run", DEFAULT_RECIPE, f"data.train.root={folder}"])
    given = f"{listed(domains)} each hold {first_few(shared)}"
    advice = (
        f"adapt on one and take the others as shifts: {command} (if they are classes: {explicit})"
    )
    return f"{folder} - its folders are domains, not classes - {given} - {advice}"


def domain_words(folder: str | Path, domains: Sequence[str]) -> list[str]:
    """The photos to adapt on and the overrides that make the other domains shifts."""
    words, taken = [str(Path(folder, domains[0]))], {name.casefold() for name in RESERVED_EVALS}
    taken.add("test")
    for number, domain in enumerate(domains[1:], start=2):
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", domain).strip("_-")[:60]
        if not is_file_name(name) or name.casefold() in taken:
            name = f"domain_{number}"
        taken.add(name.casefold())
        words.append(f"evals.{name}={Path(folder, domain)}")
    return words
