r"""Pairs of an image and a caption: what contrastive training and retrieval read.

An image may have several captions. They are kept in its column `caption`, one on each line, so that
an image stays one image: it is split, hashed and counted once.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from adapt.common.typed import FILES, FOLDER, path_to, resolve_path
from adapt.common.words import first_few, plural
from adapt.data.labels.classes import normal
from adapt.data.labels.label_table import csv_records
from adapt.data.labels.suffixes import CSV_SUFFIXES, PARQUET_SUFFIXES, SHARD_SUFFIXES
from adapt.data.sources.base import Source, source
from adapt.data.sources.folders import walk_images
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.shards import (
    Sample,
    find_shards,
    read_samples,
    record_of,
    short_names,
    text_of,
)
from adapt.data.sources.tables import from_frame
from adapt.data.sources.unpacked import IndexTable, Writer, unpack_once
from adapt.errors import DataError, did_you_mean

CAPTION = "caption"
UNLABELLED = "image"
"""The label of images that have captions and no class."""
IMAGE_COLUMNS = ("image", "path")
FORMS = "give a CSV or Parquet table, a folder of images with .txt files, or tar shards"


def captions_of(images: ImageList) -> list[list[str]]:
    """The captions of each image, one or more.

    Args:
        images: With a column `caption`, one caption on each line of a cell.

    Raises:
        DataError: When there is no such column, or an image has no caption.
    """
    cells = images.columns.get(CAPTION)
    if cells is None:
        columns = ", ".join(images.columns) or "none"
        raise DataError(
            f"{images.root} - no captions - further columns: {columns} - give `kind: pairs`, or a "
            f"table with a column `{CAPTION}`"
        )
    captions = [lines_of(cell) for cell in cells]
    for path, own in zip(images.paths, captions, strict=True):
        if not own:
            raise DataError(f"{path} - no caption - '' - write one, or leave the image out")
    return captions


def has_pairs(images: ImageList) -> bool:
    """Whether images have captions and no class.

    >>> has_pairs(ImageList(["a.png"], ["cat"], None, None, ".", {}))
    False
    """
    return CAPTION in images.columns and set(images.labels) == {UNLABELLED}


def without_classes(class_names: Sequence[str]) -> bool:
    """Whether these are the classes of a model that learned from captions, and so answers none.

    >>> without_classes(["image"]), without_classes(["image", "text"])
    (True, False)
    """
    return list(class_names) == [UNLABELLED]


def lines_of(text: str) -> list[str]:
    r"""The captions in a text, one on each line: each once, without blank lines and blanks around.

    >>> lines_of(" a dog \n\na cat\na dog")
    ['a dog', 'a cat']
    """
    lines = (" ".join(normal(line).split()) for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def from_pairs(
    path: str | Path, root: str | Path | None = None, split: str | None = None
) -> ImageList:
    """Images with their captions, from a table, a folder or shards.

    Args:
        path: A CSV or Parquet table with the columns `image` (or `path`) and `caption`, a row for
            each pair; a folder in which each image has a `.txt` of the same name, a caption on each
            line; or tar shards (a file, a folder or a pattern) with `.txt`, or `caption` in
            `.json`, beside each image.
        root: Where the paths of a table start; its own folder if None.
        split: Rows of a table by their column `split`, or shards by their names.

    Returns:
        One entry for each image, sorted by path, all with the label `UNLABELLED`; its captions are
        in `columns["caption"]`, see `captions_of`.

    Raises:
        DataError: When nothing can be read there, an image has no caption or captions of two
            splits, or `root` and `split` do not fit what is given.
    """
    given = resolve_path(path)
    suffix = given.suffix.lower()
    if given.is_file() and suffix in (*CSV_SUFFIXES, *PARQUET_SUFFIXES):
        return _from_table(given, given.parent if root is None else root, split)
    if root is not None:
        raise DataError(f"{path} - no table - root {str(root)!r} - remove root")
    if given.is_dir() and not _holds_shards(given):
        if split is not None:
            advice = "give the folder of the split, and remove split"
            raise DataError(f"{path} - a folder of images - split {split!r} - {advice}")
        return _from_folder(given)
    if given.is_dir() or str(given).lower().endswith(SHARD_SUFFIXES):
        return _from_shards(given, split)
    what = "no such file or folder" if not os.path.lexists(given) else f"given {suffix!r}"
    raise DataError(f"{path} - not a source of pairs - {what} - {FORMS}")


def splits_of(path: str | Path) -> list[str]:
    """What the column `split` of a table of captions holds, or the folders in a folder.

    Args:
        path: See `from_pairs`; of anything else there are none.

    Raises:
        DataError: When a table cannot be read.
    """
    given = resolve_path(path)
    if given.is_dir():
        return sorted(child.name for child in given.iterdir() if child.is_dir())
    if given.suffix.lower() not in (*CSV_SUFFIXES, *PARQUET_SUFFIXES):
        return []
    _, names, _, records = _cells(given)
    plain = [column.strip().lower() for column in names]
    if "split" not in plain:
        return []
    place = plain.index("split")
    return sorted({record[place] for record in records if len(record) == len(names)})


@source("pairs")
@dataclass
class PairsSource(Source):
    """Images with captions."""

    has_captions: ClassVar[bool] = True
    path: str = path_to(FILES, needed=True)
    """CSV or Parquet table with the columns `image` and `caption`; a folder of images, each with a
    `.txt` of the same name; or tar shards with a `.txt` beside each image."""
    root: str | None = path_to(FOLDER)
    """Where the paths of a table start; its own folder when not given."""
    split: str | None = None
    """Rows to take, by the column `split`, or shards, by their names."""

    def __post_init__(self) -> None:
        if self.retention:
            raise ValueError("retention - pairs have no classes - true - remove it")
        super().__post_init__()

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; see `from_pairs`."""
        return from_pairs(self.path, self.root, self.split)


@dataclass
class _Gathered:
    """Pairs, put together image by image."""

    captions: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, Mapping[str, str]] = field(default_factory=dict)
    uneven: dict[str, None] = field(default_factory=dict)
    """Columns in which the rows of an image differ."""

    def add(self, where: str, path: str, text: str, others: Mapping[str, str]) -> None:
        """One row.

        Raises:
            DataError: When it has no image or caption, or another split or group than the image
                had before.
        """
        for column, cell in (("image", path), (CAPTION, text)):
            if not cell.strip():
                advice = "fill it in, or leave the image out"
                raise DataError(f"{where}, column {column!r} - no value - {cell!r} - {advice}")
        key = os.path.normpath(path)
        before = self.others.setdefault(key, others)
        for column in (name for name, cell in others.items() if before[name] != cell):
            if column in ("split", "group"):
                given = f"{before[column]!r} and {others[column]!r} of {path!r}"
                raise DataError(f"{where} - one image in two {column}s - {given} - keep one")
            self.uneven[column] = None
        self.captions.setdefault(key, []).extend(lines_of(text))

    def images(self, root: str | Path, split: str | None, name: str) -> ImageList:
        """All images of the source `name`, with the columns in which the rows of an image agree."""
        if not self.captions:
            raise DataError(f"{root} - no pairs - 0 rows - {FORMS}")
        frame: dict[str, Any] = {
            "path": list(self.captions),
            "label": [UNLABELLED] * len(self.captions),
            CAPTION: ["\n".join(dict.fromkeys(own)) for own in self.captions.values()],
        }
        columns = next(iter(self.others.values())).keys() - self.uneven.keys()
        frame |= {name: [own[name] for own in self.others.values()] for name in sorted(columns)}
        images = from_frame(pd.DataFrame(frame), root, split, name=name)
        count = sum(map(len, captions_of(images)))
        images.notes.append(f"{plural(len(images), 'image')} with {plural(count, 'caption')}")
        if self.uneven:
            names = first_few(list(self.uneven))
            images.notes.append(f"columns that differ between captions of an image: {names}")
        return images


def _from_table(path: Path, root: str | Path, split: str | None) -> ImageList:
    name, names, rows, records = _cells(path)
    plain = [column.strip().lower() for column in names]
    images = [column for column in IMAGE_COLUMNS if column in plain]
    for column, there in (("image", len(images) == 1), (CAPTION, CAPTION in plain)):
        if not there:
            hint = did_you_mean(column, names)
            advice = "name the columns image,caption[,split,group]"
            what = "no column" if not (column == "image" and images) else "two columns for"
            raise DataError(f"{name} - {what} {column!r} - given {names}{hint} - {advice}")
    at = {column: plain.index(column) for column in plain if column}
    gathered = _Gathered()
    for row, record in zip(rows, records, strict=True):
        if len(record) != len(names):
            given = f"{len(record)} for {len(names)} columns"
            advice = "put a cell in quotes where it holds the separator"
            raise DataError(f"{name}, {row} - wrong number of cells - {given} - {advice}")
        others = {
            f"given_{column}" if column == "label" else column: record[place]
            for column, place in at.items()
            if column not in (*IMAGE_COLUMNS, CAPTION)
        }
        gathered.add(f"{name}, {row}", record[at[images[0]]], record[at[CAPTION]], others)
    return gathered.images(root, split, name)


def _cells(path: Path) -> tuple[str, list[str], Sequence[str], Iterable[Sequence[str]]]:
    """Name, header, what to call each row, and the rows as text."""
    if path.suffix.lower() in CSV_SUFFIXES:
        return str(path), *csv_records(path)
    try:
        frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
    except Exception as error:
        reason = str(error).splitlines()[0]
        advice = "write it again"
        raise DataError(f"{path} - cannot be read as Parquet - {reason} - {advice}") from error
    columns = [[_text(cell) for cell in frame[column].tolist()] for column in frame]
    rows = [f"row {index}" for index in range(len(frame))]
    return str(path), list(map(str, frame.columns)), rows, zip(*columns, strict=True)


def _text(cell: Any) -> str:
    """A cell of a Parquet table: a list of captions has one on each line."""
    if isinstance(cell, str):
        return cell
    if pd.api.types.is_list_like(cell):
        return "\n".join(map(str, cell))
    return "" if pd.isna(cell) else str(cell)


def _from_folder(folder: Path) -> ImageList:
    gathered, without = _Gathered(), []
    for path in walk_images(folder):
        text = path.with_suffix(".txt")
        if not text.is_file():
            without.append(path.relative_to(folder).as_posix())
            continue
        try:
            captions = text.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            given = f"byte {error.start}"
            raise DataError(f"{text} - not UTF-8 - {given} - write it as UTF-8") from error
        gathered.add(str(text), path.relative_to(folder).as_posix(), captions, {})
    if not gathered.captions:
        given = f"{plural(len(without), 'image')}, none with a .txt of the same name"
        raise DataError(f"{folder} - no pairs - {given} - {FORMS}")
    images = gathered.images(folder, None, str(folder))
    if without:
        images.notes.append(
            f"{plural(len(without), 'image')} without a .txt left out: {first_few(without)}"
        )
    return images


def _holds_shards(folder: Path) -> bool:
    """Whether there are shards in a folder, and no images."""
    shards = any(name.name.lower().endswith(SHARD_SUFFIXES) for name in folder.rglob("*"))
    return shards and next(walk_images(folder), None) is None


def _from_shards(path: Path, split: str | None) -> ImageList:
    files = find_shards(path, split)
    shards = dict(zip(short_names(files), files, strict=True))
    unpacked = unpack_once(
        str(path), list(shards.items()), ["pairs"], lambda writer: _unpack(writer, shards)
    )
    frame = pd.read_parquet(unpacked.index)
    gathered = _Gathered()
    for row in frame.to_dict("records"):
        gathered.add(str(row["path"]), str(row["path"]), str(row[CAPTION]), {})
    images = gathered.images(unpacked.files, None, str(path))
    images.notes[:0] = unpacked.notes
    return images


def _unpack(writer: Writer, shards: dict[str, str]) -> list[str]:
    index, left_out = IndexTable(writer.source), Counter[str]()
    for name, path in shards.items():
        for sample in read_samples(writer, name, path, left_out):
            if not sample.image:
                left_out["samples without an image"] += 1
                continue
            index.add(sample.name, sample.image, UNLABELLED, {CAPTION: _caption(sample)})
    index.write(writer.folder.parent)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
    return [f"members that are not used: {kinds}"] if left_out else []


def _caption(sample: Sample) -> str:
    """The captions of a sample, one on each line."""
    texts = {kind: text_of(sample, kind) for kind in sample.texts}
    if texts.get("txt"):
        return texts["txt"]
    stored = record_of(sample, texts["json"]).get(CAPTION) if "json" in texts else None
    lines = stored if isinstance(stored, list) else [stored]
    text = "\n".join(line for line in lines if isinstance(line, str))
    if not text.strip():
        given = ", ".join(f".{kind}" for kind in texts) or "an image alone"
        raise DataError(f"{sample.name} - no caption - {given} - add .txt, or caption in .json")
    return text
