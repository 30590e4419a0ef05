"""What is at a path: the kind of source, and classes, splits or domains; looks at names alone."""

import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapt.common.typed import FILE, FOLDER, leads, resolve_path
from adapt.common.words import first_few
from adapt.data.labels.classes import folded
from adapt.data.labels.suffixes import PARQUET_SUFFIXES, TABLE_SUFFIXES
from adapt.data.sources.folders import is_image_name, is_junk
from adapt.data.sources.split_names import MEANT, called, split_of
from adapt.errors import DataError

CLASSES, SPLITS, DOMAINS = "classes", "splits", "domains"
NATURAL = ("photo", "real")
"""Words in the name of a domain that a pretrained CLIP knows best."""
LEAST_SHARED = 2
"""Class names that stand below several folders, from which on these are taken for domains."""


@dataclass
class Layout:
    """What the folders in one folder are."""

    kind: str
    """`classes`, `splits` or `domains`."""
    splits: dict[str, Path] = field(default_factory=dict)
    """The folder of `train`, and those of `val` and `test` where they are there."""
    domains: dict[str, Path] = field(default_factory=dict)
    """Folders with the same class names below them: one of photos first, then by their images."""
    shared: list[str] = field(default_factory=list)
    """Class names that stand below several of the domains."""
    notes: list[str] = field(default_factory=list)
    """What is left out, one sentence each."""


def layout_of(root: str | Path) -> Layout:
    """Tell classes, splits and domains apart; no image is opened.

    Folders are splits where all of them are called like splits, or `train` and another one are,
    and class folders are below. They are domains where the same class names, with a letter in them,
    stand below each. Everything else is classes. Folders without an image do not count.

    Args:
        root: A folder.

    Raises:
        DataError: When two folders mean one split, or there are splits and none is train.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for folder in ("Train/cat", "Train/dog", "valid/cat"):
    ...         Path(root, folder).mkdir(parents=True)
    ...         Path(root, folder, "1.png").touch()
    ...     {split: folder.name for split, folder in layout_of(root).splits.items()}
    {'train': 'Train', 'val': 'valid'}
    """
    base = resolve_path(root)
    inside = [name for name in _folders(base) if _has_image(base / name)]
    below = {name: _class_folders(base / name) for name in inside}
    return _layout(base, below, lambda name: _images_below(base / name))


def archive_layout(path: str | Path) -> Layout:
    """What the folders in a zip or tar archive are, below its one folder at the top if it has one.

    Args:
        path: The archive; nothing is unpacked.

    Raises:
        DataError: When it cannot be read; else see `layout_of`.
    """
    # Here, because it loads pandas.
    from adapt.data.sources.archives import read_members

    base = resolve_path(path)
    paths = [Path(member.name).parts for member in read_members(base)]
    files = [parts for parts in paths if parts and is_image_name(parts[-1])]
    files = [parts for parts in files if not any(map(is_junk, parts))]
    tops = {parts[0] for parts in files}
    if len(tops) == 1 and all(len(parts) > 2 for parts in files):
        files = [parts[1:] for parts in files]
    below: dict[str, set[str]] = {parts[0]: set() for parts in files if len(parts) > 1}
    for parts in files:
        if len(parts) > 2:
            below[parts[0]].add(parts[1])
    sizes = Counter(parts[0] for parts in files)
    return _layout(base, {name: sorted(below[name]) for name in sorted(below)}, sizes.__getitem__)


def _layout(base: Path, below: dict[str, list[str]], size: Callable[[str], int]) -> Layout:
    """The layout of folders with images, by the folders with images in each of them."""
    named = [name for name in below if name.lower() in MEANT]
    trains = [name for name in named if MEANT[name.lower()] == "train" and below[name]]
    if any(below[name] for name in named) and (
        len(named) == len(below) or (trains and len(named) > 1)
    ):
        return _splits(base, named, below)
    return _domains(base, below, size) or Layout(CLASSES)


def _splits(base: Path, named: list[str], below: dict[str, list[str]]) -> Layout:
    layout = Layout(SPLITS)
    for name in named:
        split = MEANT[name.lower()]
        if not below[name]:
            layout.notes.append(f"{base / name} has no class folders: left out")
        elif split in layout.splits:
            given = f"{layout.splits[split].name} and {name}"
            raise DataError(f"{base} - two folders mean {split} - {given} - keep one of them")
        else:
            layout.splits[split] = base / name
    if "train" not in layout.splits:
        given = ", ".join(below)
        advice = "call the folder of the training images train, or give one of them"
        raise DataError(f"{base} - splits without a folder train - {given} - {advice}")
    others = [name for name in below if name not in named]
    if others:
        shown = first_few(others)
        layout.notes.append(f"{base} has folders beside its splits, left out: {shown}")
    return layout


def _domains(base: Path, below: dict[str, list[str]], size: Callable[[str], int]) -> Layout | None:
    """The layout of domains, if the same class names stand below several folders."""
    holders = {name: {folded(label) for label in labels} for name, labels in below.items()}
    holders = {name: labels for name, labels in holders.items() if len(labels) >= LEAST_SHARED}
    counts = Counter(label for labels in holders.values() for label in labels)
    # Folders such as 2024 or 001 below classes are sessions of them.
    often = (label for label, count in counts.items() if count > 1)
    shared = {label for label in often if any(map(str.isalpha, label))}
    alike = [name for name, labels in holders.items() if len(labels & shared) >= LEAST_SHARED]
    if len(alike) < LEAST_SHARED or len(alike) < len(below):
        return None
    sizes = {name: size(name) for name in alike}

    def rank(name: str) -> tuple[bool, int, int, str]:
        real = any(word in name.lower() for word in NATURAL)
        return not real, -len(holders[name]), -sizes[name], name

    ordered = sorted(alike, key=rank)
    return Layout(DOMAINS, {}, {name: base / name for name in ordered}, sorted(shared))


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name for entry in entries if not is_junk(entry.name) and entry.is_dir()
            )
    except OSError:  # whoever reads the images says what is wrong with the folder
        return []


def _class_folders(folder: Path) -> list[str]:
    """Names of the folders with an image somewhere below them."""
    return [name for name in _folders(folder) if _has_image(folder / name)]


def _has_image(folder: Path) -> bool:
    return any(is_image_name(name) for _, _, files in os.walk(folder) for name in files)


def _images_below(folder: Path) -> int:
    return sum(is_image_name(name) for _, _, files in os.walk(folder) for name in files)


def source_of(path: str | Path) -> dict[str, Any]:
    """The source that a path stands for, as a recipe writes it; no image is read.

    A folder holds class folders, or shards, or a Hugging Face data set, or images and one table of
    them. A file is a table, an archive, a shard or a Parquet file of images. A pattern with braces
    stands for shards.

    Args:
        path: Folder, file, or pattern of shards.

    >>> source_of("labels.csv"), source_of("photos-{000..009}.tar")["kind"]
    ({'kind': 'table', 'path': 'labels.csv'}, 'shards')
    """
    given, place = str(path), resolve_path(path)
    if leads(given, FOLDER):
        return _source_of_folder(given, place)
    suffix = place.suffix.lower()
    if "{" in given and not leads(given, FILE):
        return {"kind": "shards", "path": given}
    if suffix in PARQUET_SUFFIXES and not _has_column(place, "path"):
        return {"kind": "huggingface", "path": given}
    if suffix in TABLE_SUFFIXES:
        return {"kind": "table", "path": given}
    if suffix == ".tar" and _is_shard(place):
        return {"kind": "shards", "path": given}
    return {"kind": "archive", "path": given}


def _source_of_folder(given: str, place: Path) -> dict[str, Any]:
    if any((place / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return {"kind": "huggingface", "path": given}
    if not _class_folders(place):
        names = [name for name in _files(place) if not is_junk(name)]
        suffixes = {Path(name).suffix.lower() for name in names}
        tables = [name for name in names if Path(name).suffix.lower() in TABLE_SUFFIXES]
        if ".tar" in suffixes:
            return {"kind": "shards", "path": given}
        if len(tables) == 1 and any(map(is_image_name, names)):
            return {"kind": "table", "path": str(Path(given, tables[0]))}
        if suffixes & PARQUET_SUFFIXES or _below_with(place, PARQUET_SUFFIXES):
            return {"kind": "huggingface", "path": given}
    return {"kind": "folder", "root": given}


def _files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file())


def _below_with(folder: Path, suffixes: Iterable[str]) -> bool:
    return any(
        Path(name).suffix.lower() in suffixes for _, _, names in os.walk(folder) for name in names
    )


def _has_column(path: Path, column: str) -> bool:
    # Here, because only Parquet files need it.
    from pyarrow import parquet

    try:
        return column in {name.lower() for name in parquet.read_schema(path).names}
    except Exception:  # whoever reads the table says what is wrong with it
        return True


def _is_shard(path: Path) -> bool:
    """Whether a tar holds labels beside its images, as WebDataset does; looks at the first few."""
    try:
        with tarfile.open(path) as archive:
            names = [member.name for _, member in zip(range(20), archive, strict=False)]
    except (OSError, ValueError, tarfile.TarError):
        return False
    labels = {
        Path(name).with_suffix("") for name in names if Path(name).suffix in (".cls", ".json")
    }
    return any(is_image_name(name) and Path(name).with_suffix("") in labels for name in names)


def named_splits(source: Mapping[str, Any]) -> dict[str, str]:
    """What a source calls its train, val and test; empty where it names no train.

    Args:
        source: From `source_of`; of a table the column `split` is read, of an archive the names of
            its members, of shards and Hugging Face data sets the names of their files.

    Raises:
        DataError: When the table or the archive cannot be read.
    """
    return called(_split_values(source))


def _split_values(source: Mapping[str, Any]) -> list[str]:
    kind, path = source["kind"], str(source.get("path", ""))
    if kind == "table":
        # Here, because it loads pandas.
        from adapt.data.labels.label_table import read_table

        return sorted(set(read_table(path).split or []))
    if kind == "archive":
        return [folder.name for folder in archive_layout(path).splits.values()]
    place = resolve_path(path)
    if kind == "shards":
        from adapt.data.sources.shards import expand_braces

        names = _names_below(place) if place.is_dir() else expand_braces(path)
    elif (place / "dataset_dict.json").is_file():
        return [name for name in _folders(place) if (place / name / "state.json").is_file()]
    else:
        names = _names_below(place)
    return sorted({word for name in names if (word := split_of(name)) is not None})


def _names_below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
