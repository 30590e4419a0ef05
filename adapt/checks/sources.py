"""The sets of images in a folder, table, archive or recipe that a check looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.common.words import plural
from adapt.data.images import Images
from adapt.data.sources.folders import SPLIT_NAMES, from_folder, is_junk
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import TABLE_SUFFIXES, TableSource, from_table
from adapt.data.splits.columns import with_groups
from adapt.errors import DataError
from adapt.recipe.data import fit_data, read_sources
from adapt.recipe.shipped import recipe_names

if TYPE_CHECKING:
    from adapt.recipe.load import Loaded

RECIPE_SUFFIXES = (".yaml", ".yml")
USUAL = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}
"""Names of splits, as `adapt` calls them."""
DataLike = str | Path | ImageList | Mapping[str, ImageList]


@dataclass
class CheckedSets:
    """Sets of images that are checked together."""

    name: str
    """Name of the whole."""
    images: dict[str, ImageList]
    """By the name of the set: `train`, `val` or an eval."""
    notes: list[str] = field(default_factory=list)
    others: frozenset[str] = frozenset()
    """Sets with other classes, whose labels are not compared with those of the rest."""
    labels_file: str = ""
    """Name of the table that the labels come from; empty without one."""
    loaded: "Loaded | None" = None
    """The recipe, if the images come from one."""

    def groups(self) -> list[str] | None:
        """Group of each training image, if there are groups."""
        first = next(iter(self.images.values()))
        if self.loaded is not None:
            first = with_groups(first, self.loaded.recipe.data.train.group)
        return first.groups

    def split(self, readable: list[bool]) -> dict[str, ImageList]:
        """The sets as a run sees them: without unreadable images, and val taken from train.

        Args:
            readable: Whether each image can be read, one set after the other.

        Returns:
            Sets by name; sets without a readable image are left out.
        """
        kept, start = {}, 0
        for name, images in self.images.items():
            here = readable[start : start + len(images)]
            start += len(images)
            if any(here):
                kept[name] = images.subset(index for index, good in enumerate(here) if good)
        if self.loaded is None or "train" not in kept:
            return kept
        pool = [kept.pop(name) for name in ("train", "val") if name in kept]
        fit = fit_data(self.loaded.recipe, pool)
        held = {} if fit.val is None else {"val": fit.val}
        used = len(fit.train) + len(fit.val or [])
        if used < sum(map(len, pool)):
            left = sum(map(len, pool)) - used
            self.notes.append(
                f"{plural(left, 'image')} that the recipe does not draw were not compared"
            )
        return {"train": fit.train} | held | kept


def read_sets(data: DataLike, root: str | Path | None = None) -> CheckedSets:
    """Find the images and their labels; none is decoded.

    Args:
        data: Folder with one folder per class, or with such folders for `train`, `test` and so on;
            table, whose column `split` names the sets; zip or tar archive; recipe, by path or
            name; or an image list, or several by the names of their sets.
        root: For a table, the folder that its paths are relative to.

    Returns:
        The sets, each sorted by class, then path.

    Raises:
        DataError: When the data do not exist or cannot be read.
        RecipeError: When the recipe has mistakes.

    >>> read_sets("/no/such/folder")
    Traceback (most recent call last):
    adapt.errors.DataError: /no/such/folder - not found - neither a file, a folder nor a recipe - \
check the path
    """
    if isinstance(data, ImageList):
        data = {"train": data}
    if isinstance(data, Mapping):
        first = next(iter(data.values()))
        return _sets(Path(first.root).name, dict(data))
    path, suffix = Path(data), Path(data).suffix.lower()
    if path.is_dir():
        return _folder(path)
    if suffix in RECIPE_SUFFIXES or (not path.exists() and str(data) in recipe_names()):
        return _recipe(str(data))
    if not path.exists():
        what = "neither a file, a folder nor a recipe"
        raise DataError(f"{data} - not found - {what} - check the path")
    if suffix in TABLE_SUFFIXES:
        sets = _sets(path.stem, _by_split(from_table(path, root)))
        sets.labels_file = path.name
        return sets
    return _sets(path.name.split(".")[0], {"train": Images.from_archive(path)})


def _sets(name: str, images: dict[str, ImageList], **more: Any) -> CheckedSets:
    ordered = {key: _ordered(part) for key, part in images.items()}
    several = len(ordered) > 1
    notes = [
        f"{key}: {note}" if several else note
        for key, part in ordered.items()
        for note in part.notes
    ]
    return CheckedSets(name, ordered, list(dict.fromkeys(notes)), **more)


def _ordered(images: ImageList) -> ImageList:
    """Sort the images, so that findings do not depend on their order."""
    keys = [(images.labels[index], images.relative(index)) for index in range(len(images))]
    return images.subset(sorted(range(len(images)), key=lambda index: keys[index]))


def _folder(path: Path) -> CheckedSets:
    inside = [entry.name for entry in path.iterdir() if entry.is_dir() and not is_junk(entry.name)]
    name = path.resolve().name
    if len(inside) < 2 or not all(split.lower() in SPLIT_NAMES for split in inside):
        return _sets(name, {"train": from_folder(path)})
    return _sets(name, _named({split: from_folder(path / split) for split in sorted(inside)}))


def _by_split(images: ImageList) -> dict[str, ImageList]:
    if images.splits is None:
        return {"train": images}
    rows: dict[str, list[int]] = {}
    for index, split in enumerate(images.splits):
        rows.setdefault(split or "train", []).append(index)
    sets = {split: images.subset(indices) for split, indices in sorted(rows.items())}
    if len(sets) > 1:
        for part in sets.values():
            part.notes = []
        next(iter(sets.values())).notes = list(images.notes)
    return _named(sets)


def _named(sets: dict[str, ImageList]) -> dict[str, ImageList]:
    """Give the sets the usual names, train first, then val."""
    usual = {name: USUAL.get(name.lower(), name) for name in sets}
    if len({*usual.values()}) < len(sets):
        usual = {name: name for name in sets}
    renamed = {usual[name]: images for name, images in sets.items()}
    return {name: renamed[name] for name in sorted(renamed, key=lambda name: (_rank(name), name))}


def _rank(name: str) -> int:
    return {"train": 0, "val": 1}.get(name, 2)


def _recipe(given: str) -> CheckedSets:
    # Here, because reading a recipe loads the methods, and these torch.
    from adapt.recipe.load import load

    loaded = load(given)
    recipe = loaded.recipe
    images, notes = read_sources(recipe)
    others = frozenset(
        name for name, section in recipe.evals.items() if getattr(section, "retention", False)
    )
    sets = _sets(recipe.name, images, others=others, loaded=loaded)
    train = recipe.data.train
    sets.labels_file = Path(train.path).name if isinstance(train, TableSource) else ""
    sets.notes[:0] = notes
    return sets
