"""What a check looks at: the sets of images behind a folder, table, archive or recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
class Sets:
    """Sets of images that are checked together.

    >>> Sets("photos", {}).name
    'photos'
    """

    name: str
    """What to call all of it."""
    images: dict[str, ImageList]
    """By the name of the set: `train`, `val` or an eval."""
    notes: list[str] = field(default_factory=list)
    others: frozenset[str] = frozenset()
    """Sets with other classes, which no label of the rest is compared with."""
    labels_file: str = ""
    """Table that the labels come from."""
    loaded: "Loaded | None" = None
    """The recipe, where there is one."""

    def groups(self) -> list[str] | None:
        """Group of each image that is learned from, if there are any."""
        first = next(iter(self.images.values()))
        if self.loaded is not None:
            first = with_groups(first, self.loaded.recipe.data.train.group)
        return first.groups

    def split(self, readable: list[bool]) -> dict[str, ImageList]:
        """The sets as a run sees them: what cannot be read is gone, val is taken from train.

        Args:
            readable: Of each image, the sets one after the other.

        Returns:
            Sets by name; those without a readable image are left out.
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
            self.notes.append(f"{left} images that the recipe does not draw were not compared")
        return {"train": fit.train} | held | kept


def read_sets(data: DataLike, root: str | Path | None = None) -> Sets:
    """Find the images and their labels; none is decoded.

    Args:
        data: Folder of class folders, or of `train`, `test` and the like, each with class folders;
            table, whose column `split` names the sets; zip or tar archive; recipe, by path or
            name; or images at hand, by the names of the sets if there are several.
        root: For a table, the folder that its paths start from.

    Returns:
        The sets, each sorted by class, then path.

    Raises:
        DataError: When there is no such thing, or it cannot be read as what it is.
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
        found = _sets(path.stem, _by_split(from_table(path, root)))
        found.labels_file = path.name
        return found
    return _sets(path.name.split(".")[0], {"train": Images.from_archive(path)})


def _sets(name: str, images: dict[str, ImageList], **more: Any) -> Sets:
    ordered = {key: _ordered(each) for key, each in images.items()}
    several = len(ordered) > 1
    notes = [
        f"{key}: {note}" if several else note
        for key, each in ordered.items()
        for note in each.notes
    ]
    return Sets(name, ordered, list(dict.fromkeys(notes)), **more)


def _ordered(images: ImageList) -> ImageList:
    """The same findings, whatever order the images come in."""
    keys = [(images.labels[index], images.relative(index)) for index in range(len(images))]
    return images.subset(sorted(range(len(images)), key=lambda index: keys[index]))


def _folder(path: Path) -> Sets:
    inside = [one.name for one in path.iterdir() if one.is_dir() and not is_junk(one.name)]
    name = path.resolve().name
    if len(inside) < 2 or not all(each.lower() in SPLIT_NAMES for each in inside):
        return _sets(name, {"train": from_folder(path)})
    return _sets(name, _named({each: from_folder(path / each) for each in sorted(inside)}))


def _by_split(images: ImageList) -> dict[str, ImageList]:
    if images.splits is None:
        return {"train": images}
    rows: dict[str, list[int]] = {}
    for index, split in enumerate(images.splits):
        rows.setdefault(split or "train", []).append(index)
    found = {split: images.subset(indices) for split, indices in sorted(rows.items())}
    if len(found) > 1:
        for each in found.values():
            each.notes = []
        next(iter(found.values())).notes = list(images.notes)
    return _named(found)


def _named(sets: dict[str, ImageList]) -> dict[str, ImageList]:
    """With the usual names, train first, then val."""
    usual = {name: USUAL.get(name.lower(), name) for name in sets}
    if len({*usual.values()}) < len(sets):
        usual = {name: name for name in sets}
    found = {usual[name]: images for name, images in sets.items()}
    return {name: found[name] for name in sorted(found, key=lambda one: (_rank(one), one))}


def _rank(name: str) -> int:
    return {"train": 0, "val": 1}.get(name, 2)


def _recipe(given: str) -> Sets:
    # Here, because reading a recipe loads the methods, and these torch.
    from adapt.recipe.load import load

    loaded = load(given)
    recipe = loaded.recipe
    images, notes = read_sources(recipe)
    others = frozenset(
        name for name, one in recipe.evals.items() if getattr(one, "retention", False)
    )
    found = _sets(recipe.name, images, others=others, loaded=loaded)
    train = recipe.data.train
    found.labels_file = Path(train.path).name if isinstance(train, TableSource) else ""
    found.notes[:0] = notes
    return found
