"""The sets of images in a folder, table, archive or recipe that a check looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from adapt.common.typed import FILES, leads, resolve_path
from adapt.common.words import plural
from adapt.data.labels.label_sets import LabelColumns
from adapt.data.labels.suffixes import TABLE_SUFFIXES
from adapt.data.sources.base import source_kinds
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.layout import DOMAINS, SPLITS, layout_of, source_of
from adapt.data.sources.tables import TableSource, from_table
from adapt.data.splits.columns import with_groups
from adapt.errors import DataError
from adapt.recipe.data import fit_data, read_sources
from adapt.recipe.photos import domain_sentence, sets_of
from adapt.recipe.shipped import recipe_names

if TYPE_CHECKING:
    from adapt.recipe.load import Loaded

RECIPE_SUFFIXES = (".yaml", ".yml")
USUAL = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}
"""Names of splits, as `adapt` calls them."""
DataLike = Union[str, Path, ImageList, Mapping[str, ImageList], "Loaded"]


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

    @property
    def several_labels(self) -> bool:
        """Whether images may have several labels, or none.

        Raises:
            DataError: When those of one set may and those of another may not.
        """
        own = {n: part.several_labels for n, part in self.images.items() if n not in self.others}
        if len(set(own.values())) > 1:
            given = ", ".join(
                f"{name}: {'several' if many else 'one'}" for name, many in own.items()
            )
            advice = "say of every set where its labels are: separator or label_columns"
            raise DataError(f"{self.name} - one label per image, and several - {given} - {advice}")
        return any(own.values())

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
        fit, tests, pool = fit_data(self.loaded.recipe, pool)
        held = {} if fit.val is None else {"val": fit.val}
        used = len(fit.train) + len(fit.val or [])
        if used < sum(map(len, pool)):
            left = sum(map(len, pool)) - used
            self.notes.append(
                f"{plural(left, 'image')} that the recipe does not draw were not compared"
            )
        return {"train": fit.train} | held | tests | kept


def read_sets(
    data: DataLike, root: str | Path | None = None, labels: LabelColumns | None = None
) -> CheckedSets:
    """Find the images and their labels; none is decoded.

    Args:
        data: Folder with one folder per class, or with such folders for `train`, `test` and so on,
            or for domains, of which the first counts as train; table, whose column `split` names
            the sets; archive, shards or Hugging Face data set; recipe, by path, by name or loaded;
            or an image list, or several by the names of their sets.
        root: For a table, the folder that its paths are relative to.
        labels: For a table, where the labels of an image are, if it may have several or none.

    Returns:
        The sets, each sorted by class, then path.

    Raises:
        DataError: When the data do not exist or cannot be read, or root or labels are given
            for what is no table.
        RecipeError: When the recipe has mistakes.

    >>> read_sets("/no/such/folder")
    Traceback (most recent call last):
    adapt.errors.DataError: /no/such/folder - not found - neither a file, a folder nor a recipe - \
check the path
    """
    table = isinstance(data, str | Path) and Path(data).suffix.lower() in TABLE_SUFFIXES
    if not table and (root is not None or labels is not None):
        raise no_table(data)
    if isinstance(data, ImageList):
        data = {"train": data}
    if isinstance(data, Mapping):
        first = next(iter(data.values()))
        return _sets(Path(first.root).name, dict(data))
    if not isinstance(data, str | Path):
        return _recipe(data)
    path, suffix = resolve_path(data), Path(data).suffix.lower()
    if path.is_dir() and source_of(path)["kind"] == "folder":
        return _folder(path)
    if suffix in RECIPE_SUFFIXES or (not path.exists() and str(data) in recipe_names()):
        # Here, because reading a recipe loads the methods, and these torch.
        from adapt.recipe.load import load

        return _recipe(load(data))
    if not leads(str(data), FILES):
        what = "neither a file, a folder nor a recipe"
        raise DataError(f"{data} - not found - {what} - check the path")
    if suffix in TABLE_SUFFIXES:
        sets = _sets(path.stem, _by_split(_of_table(path, root, labels)))
        sets.labels_file = path.name
        return sets
    sources, notes = sets_of(data)
    kinds, images = source_kinds(), {}
    for split, given in sources.items():
        keys = {key: value for key, value in given.items() if key != "kind"}
        images[split] = kinds[given["kind"]](**keys).read(None, split)
    sets = _sets(path.name.split(".")[0], images)
    sets.notes += notes
    return sets


def _of_table(path: Path, root: str | Path | None, labels: LabelColumns | None) -> ImageList:
    if labels is None:
        return from_table(path, root)
    return from_table(path, root, separator=labels.separator, columns=labels.columns)


def no_table(data: object) -> DataError:
    """The refusal of what says how a table is read, for what is no table."""
    given = data if isinstance(data, str | Path) else "other images"
    return DataError(
        f"{given} - no table - a root, separator or label columns say how a table is read - leave "
        "them out, or give a table"
    )


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
    layout, name = layout_of(path), path.resolve().name
    if layout.kind == SPLITS:
        splits = {split: from_folder(folder) for split, folder in layout.splits.items()}
        sets = _sets(name, _named(splits))
    elif layout.kind == DOMAINS:
        domains = list(layout.domains)
        parts = {domain: from_folder(folder) for domain, folder in layout.domains.items()}
        sets = _sets(name, {"train": parts.pop(domains[0])} | parts)
        sets.notes.insert(0, domain_sentence(path, domains, layout.shared))
    else:
        return _sets(name, {"train": from_folder(path)})
    sets.notes += layout.notes
    return sets


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


def _recipe(loaded: "Loaded") -> CheckedSets:
    recipe = loaded.recipe
    images, notes = read_sources(recipe)
    others = frozenset(
        name
        for name, section in recipe.evals.items()
        if getattr(section, "retention", False) or getattr(section, "for_evals", False)
    )
    sets = _sets(recipe.name, images, others=others, loaded=loaded)
    train = recipe.data.train
    sets.labels_file = Path(train.path).name if isinstance(train, TableSource) else ""
    sets.notes[:0] = [*loaded.notes, *notes]
    return sets
