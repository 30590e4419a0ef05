"""Hugging Face data sets on disk, read with pyarrow alone.

What `save_to_disk` writes (Arrow streams, `dataset_info.json`, `state.json`; for several splits a
folder each and `dataset_dict.json`), and folders of Parquet files as they are on the hub.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from adapt.common.typed import FILES, path_to, resolve_path
from adapt.common.words import first_few
from adapt.data.labels.classes import normal
from adapt.data.labels.multi_label import several_labels
from adapt.data.labels.naming import GivenClasses
from adapt.data.sources.base import Source, source
from adapt.data.sources.folders import IMAGE_SUFFIXES, is_junk
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.split_names import choose_split, same_split
from adapt.data.sources.tables import from_table
from adapt.data.sources.unpacked import IndexTable, Writer, unpack_once
from adapt.errors import DataError, did_you_mean

Features: TypeAlias = Mapping[str, Any]
LABEL_NAMES = ("label", "labels")
LISTS = ("Sequence", "List", "LargeList")
BATCH = 64
"""Rows of a Parquet file in memory at a time."""
STARTS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


@dataclass(frozen=True)
class _Files:
    """The files of one split."""

    name: str
    """Split, as the data set calls it; part of the images' paths."""
    paths: tuple[str, ...]
    info: Features | None = None
    """Features that `dataset_info.json` tells."""


@dataclass
class _Columns:
    """Which column is what."""

    image: str
    label: str
    names: dict[str, list[str]] = field(default_factory=dict)
    """Class names of each column of class indices."""
    others: list[str] = field(default_factory=list)
    """Columns of plain values."""
    left_out: list[str] = field(default_factory=list)


def from_hub(
    path: str | Path,
    split: str | None = None,
    image: str | None = None,
    label: str | None = None,
    classes: GivenClasses = None,
) -> ImageList:
    """Images of a Hugging Face data set on disk, unpacked once into the cache.

    The bytes of every image stay as they are. Other columns of plain values are kept.

    Args:
        path: Folder that `save_to_disk` wrote, folder of Parquet files, or one Parquet file.
        split: Such as `train`; needed when there are several.
        image: Column of the images; the only one if None.
        label: Column of the labels; `label`, or the only column of class indices if None.
        classes: Words and prompts of the classes: a YAML file or a dict.

    Returns:
        Images sorted by class, then row.

    Raises:
        DataError: When files are missing or damaged, it is not clear which split or column is
            meant, or an image has no label or several.
    """
    source = str(resolve_path(path))
    files = _find(source, split)
    named = [(Path(file).name, file) for file in files.paths]
    info = json.dumps(files.info, sort_keys=True)
    unpacked = unpack_once(
        source,
        named,
        ["hub", files.name, image, label, info],
        lambda writer: _unpack(writer, files, image, label),
    )
    images = from_table(unpacked.index, unpacked.files, None, classes)
    images.notes = unpacked.notes + images.notes
    return images


@source("huggingface")
@dataclass
class HubSource(Source):
    """A Hugging Face data set on disk."""

    path: str = path_to(FILES, needed=True)
    """Folder that `save_to_disk` wrote, folder of Parquet files, or one Parquet file."""
    split: str | None = None
    """Split to take; needed when there are several."""
    image: str | None = None
    """Column of the images; the only one when not given."""
    label: str | None = None
    """Column of the labels; `label` when not given."""

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; see `from_hub`."""
        return from_hub(self.path, self.split, self.image, self.label, classes)


def _find(source: str, split: str | None) -> _Files:
    root = Path(source)
    if root.is_file():
        choose_split(source, [root.name], split)
        return _Files(split or "all", (source,))
    if not root.is_dir():
        advice = "given as a Hugging Face data set - check the path"
        raise DataError(f"{source} - no such folder - {advice}")
    if (root / "dataset_dict.json").is_file():
        known = [str(name) for name in _json(root / "dataset_dict.json").get("splits", [])]
        return _saved(root / _choose(source, known, split))
    if (root / "state.json").is_file():
        files = _saved(root)
        if split is not None and not same_split(files.name, split):
            raise DataError(f"{source} - no such split - {split!r} - it holds {files.name} alone")
        return files
    return _parquet_files(root, split)


def _choose(source: str, known: list[str], split: str | None) -> str:
    shown = ", ".join(known) or "none"
    if split is None and len(known) != 1:
        raise DataError(f"{source} - several splits - {shown} - choose one with split")
    for name in known:
        # A name with a slash would lead elsewhere.
        if (split is None or same_split(name, split)) and Path(name).name == name:
            return name
    hint = did_you_mean(split or "", known)
    raise DataError(f"{source} - no such split - {split!r}{hint} - choose from {shown}")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} - cannot be read as JSON - {error} - save it again") from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise DataError(f"{path} - not a record - given {kind} - save the data set again")
    return content


def _saved(root: Path) -> _Files:
    state = _json(root / "state.json")
    info = _json(root / "dataset_info.json") if (root / "dataset_info.json").is_file() else {}
    try:
        names = [str(file["filename"]) for file in state["_data_files"]]
        moved = bool(state.get("_indices_data_files"))
    except (KeyError, TypeError) as error:
        given, advice = repr(error), "save the data set again"
        raise DataError(f"{root}/state.json - no list of files - {given} - {advice}") from error
    wrong = [name for name in names if Path(name).name != name]
    if wrong or moved or not names:
        given = repr(wrong[0]) if wrong else "a list of rows" if moved else "no file"
        advice = "save it again with a current version of datasets"
        raise DataError(f"{root} - not a data set that can be read - {given} - {advice}")
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        given = f"{len(missing)} of {len(names)}, the first is {missing[0]}"
        raise DataError(f"{root} - files are missing - {given} - copy the data set again")
    features = info.get("features")
    split = str(state.get("_split") or "all")
    name = split if split.isidentifier() else "all"
    paths = tuple(str(root / name) for name in names)
    return _Files(name, paths, features if isinstance(features, dict) else None)


def _parquet_files(root: Path, split: str | None) -> _Files:
    below = [path.relative_to(root) for path in root.rglob("*.parquet")]
    names = sorted(path.as_posix() for path in below if not any(map(is_junk, path.parts)))
    if not names:
        given = "neither dataset_dict.json, state.json nor .parquet files are there"
        advice = "give the folder that save_to_disk wrote, or that of the Parquet files"
        raise DataError(f"{root} - not a Hugging Face data set - {given} - {advice}")
    chosen = choose_split(str(root), names, split)
    folders = sorted({Path(name).parent.as_posix() for name in chosen})
    if len(folders) > 1:
        shown = first_few(folders)
        advice = f"give one of them, such as {root / folders[0]}"
        raise DataError(f"{root} - several data sets in it - {shown} - {advice}")
    return _Files(split or "all", tuple(str(root / name) for name in chosen))


def _batches(path: str) -> Iterator[pa.RecordBatch]:
    """The rows of a file, a few at a time."""
    if path.lower().endswith(".parquet"):
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH)
        return
    with pa.memory_map(path) as stream, pa.ipc.open_stream(stream) as reader:
        yield from reader


def _rows(path: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from _batches(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        advice = "copy or save it again"
        raise DataError(f"{path} - cannot be read as Arrow - {reason} - {advice}") from error


def _features(files: _Files, schema: pa.Schema) -> Features:
    """What the columns mean, by name: written beside the file, in it, or nowhere."""
    if files.info is not None:
        return files.info
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _unpack(writer: Writer, files: _Files, image: str | None, label: str | None) -> list[str]:
    index, columns = IndexTable(writer.source), None
    number = 0
    for path in files.paths:
        for batch in _rows(path):
            if columns is None:
                columns = _columns(writer.source, files, batch.schema, image, label)
            for row in range(batch.num_rows):
                cells = {name: batch.column(name)[row] for name in batch.schema.names}
                _write_row(writer, index, files, columns, number, cells)
                number += 1
    index.write(writer.folder.parent)
    left_out = columns.left_out if columns else []
    shown = first_few(left_out)
    return [f"columns that hold no plain values are not used: {shown}"] if left_out else []


def _write_row(
    writer: Writer,
    index: IndexTable,
    files: _Files,
    columns: _Columns,
    number: int,
    cells: Mapping[str, Any],
) -> None:
    where = f"row {number}"
    start = f"{writer.source}, split {files.name}, {where}"
    content, given = _image_bytes(start, cells[columns.image].as_py())
    name = f"{files.name}/{number:07d}{_suffix(content, given)}"
    label = _text(cells[columns.label].as_py(), columns.names.get(columns.label), start)
    if not label:
        advice = "choose a split with labels, or remove the row"
        raise DataError(f"{start}, column {columns.label!r} - no label - nothing - {advice}")
    others = {
        column: _text(cells[column].as_py(), columns.names.get(column), start)
        for column in columns.others
    }
    index.add(where, writer.write(name, io.BytesIO(content), len(content)), label, others)


def _image_bytes(where: str, value: object) -> tuple[bytes, str]:
    """Bytes of an image, and its path if it is given."""
    content = value.get("bytes") if isinstance(value, dict) else value
    path = value.get("path") if isinstance(value, dict) else None
    if isinstance(content, bytes):
        return content, str(path or "")
    if path is None:
        raise DataError(f"{where} - no image - the cell is empty - remove the row")
    # A file elsewhere may change, or may not belong to this set at all.
    advice = "save it again with a current version of datasets, which puts the images in"
    raise DataError(f"{where} - an image without its bytes - the path {path!r} alone - {advice}")


def _suffix(content: bytes, path: str) -> str:
    for start, suffix in STARTS.items():
        if content.startswith(start):
            return suffix
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    given = Path(path).suffix.lower()
    return given if given in IMAGE_SUFFIXES else ".bin"


def _text(value: object, names: list[str] | None, where: str) -> str:
    """A cell as text; class indices by their names, no value as nothing."""
    if value is None:
        return ""
    if names is None or not isinstance(value, int):
        return normal(str(value).strip())
    if value == -1:
        return ""  # how the hub marks images without label
    if 0 <= value < len(names):
        return normal(names[value])
    advice = "save the data set again"
    raise DataError(f"{where} - no such class - {value} of {len(names)} names - {advice}")


def _is_list(feature: object, kind: pa.DataType) -> bool:
    told = isinstance(feature, list) or (
        isinstance(feature, dict) and feature.get("_type") in LISTS
    )
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return told or any(is_kind(kind) for is_kind in lists)


def _columns(
    source: str, files: _Files, schema: pa.Schema, image: str | None, label: str | None
) -> _Columns:
    features = _features(files, schema)
    told = {name: features.get(name) for name in schema.names}
    kinds = {name: _kind(told[name], schema.field(name).type) for name in schema.names}
    of_kind = {
        kind: [name for name, other in kinds.items() if other == kind]
        for kind in ("image", "bytes", "class", "classes", "plain")
    }
    images = of_kind["image"] or of_kind["bytes"]
    image = _pick(source, "image", image, images, list(kinds))
    labels = [name for name in LABEL_NAMES if kinds.get(name, "other") != "other"]
    if label is None and not labels[:1] and not of_kind["class"] and of_kind["classes"]:
        raise several_labels(source, f"column {of_kind['classes'][0]!r} holds lists of classes")
    label = _pick(source, "label", label, labels[:1] or of_kind["class"], list(kinds))
    if kinds[label] in ("classes", "lists"):
        raise several_labels(source, f"column {label!r} holds lists")
    floats = pa.types.is_floating(schema.field(label).type)
    if kinds[label] not in ("class", "plain") or floats:
        given = f"{label!r} is {schema.field(label).type}"
        raise DataError(f"{source} - not a column of labels - {given} - choose another")
    others = [name for name in of_kind["plain"] + of_kind["class"] if name != label]
    left = [name for name in schema.names if name not in (image, label, *others)]
    return _Columns(image, label, _class_names(told), others, left)


def _kind(feature: object, kind: pa.DataType) -> str:
    """What a column holds, by its feature and its type."""
    name = feature.get("_type") if isinstance(feature, dict) else None
    if name == "Image" or (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0):
        return "image"
    if _is_list(feature, kind):
        inner = feature[0] if isinstance(feature, list) and feature else feature
        inner = inner.get("feature", inner) if isinstance(inner, dict) else None
        is_class = isinstance(inner, dict) and inner.get("_type") == "ClassLabel"
        return "classes" if is_class else "lists"
    if name == "ClassLabel":
        return "class"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytes"
    return "other" if pa.types.is_nested(kind) else "plain"


def _class_names(told: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        column: [str(name) for name in feature["names"]]
        for column, feature in told.items()
        if isinstance(feature, dict) and isinstance(feature.get("names"), list)
    }


def _pick(source: str, what: str, given: str | None, fitting: list[str], known: list[str]) -> str:
    """The column that was named, or the only one there is."""
    if given is not None and given not in known:
        hint = did_you_mean(given, known)
        advice = f"choose from {', '.join(known)}"
        raise DataError(f"{source} - no such column - {what} {given!r}{hint} - {advice}")
    if given is None and len(fitting) != 1:
        asked = f"{', '.join(fitting) or 'none'} of {', '.join(known)}"
        raise DataError(f"{source} - which column is the {what} - {asked} - name it: {what}: NAME")
    return given or fitting[0]
