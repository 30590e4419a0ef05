"""Reading a table of images: CSV or Parquet with `path,label[,split,group]`."""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from adapt.common.typed import FILE, FOLDER, path_to, resolve_path
from adapt.common.words import first_few
from adapt.data.labels.classes import normal
from adapt.data.labels.multi_label import ADVICE, check_joined, one_hot_columns, several_labels
from adapt.data.labels.naming import GivenClasses, given_names
from adapt.data.sources.base import CSV_SUFFIXES, PARQUET_SUFFIXES, Source, source
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, did_you_mean

NEEDED = ("path", "label")
OPTIONAL = ("split", "group")
MISSING = frozenset({"", "nan", "NaN", "None", "<NA>"})


@dataclass
class LabelTable:
    """Checked columns of equal length."""

    name: str
    """What to call the table in messages."""
    path: list[str]
    label: list[str]
    split: list[str] | None
    group: list[str] | None
    rows: list[str]
    """Where each row is, as its author would look it up: `line 2` or `row 0`."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """Other columns of plain values, as text, by name in lower case; a cell may be empty."""

    def columns(self) -> dict[str, list[str]]:
        """The columns that are there, by name."""
        named = {"path": self.path, "label": self.label, "split": self.split, "group": self.group}
        return {name: values for name, values in named.items() if values is not None}


def read_table(path: str | Path) -> LabelTable:
    r"""Read and check a CSV or Parquet file.

    CSV is UTF-8 with or without BOM; its separator is taken from the header (`,`, `;` or tab).
    Column names are taken without regard to case; other columns are kept in `others`.

    Args:
        path: A `.csv`, `.tsv`, `.txt`, `.parquet` or `.pq` file.

    Returns:
        The columns, as text.

    Raises:
        DataError: Naming the row and the column of the first problem.
    """
    path = resolve_path(path)
    name, suffix = str(path), path.suffix.lower()
    if not Path(path).is_file():
        raise DataError(f"{name} - no such file - given as a table - check the path")
    if suffix in PARQUET_SUFFIXES:
        try:
            frame = pd.read_parquet(path)
        except Exception as error:
            reason = str(error).splitlines()[0]
            advice = "write it again"
            raise DataError(f"{name} - cannot be read as Parquet - {reason} - {advice}") from error
        return frame_table(frame, name)
    if suffix not in CSV_SUFFIXES:
        raise DataError(f"{name} - not a table - given {suffix!r} - give .csv or .parquet")
    return _csv_table(name)


def frame_table(frame: pd.DataFrame, name: str = "<frame>") -> LabelTable:
    """Check a pandas table with the columns `path,label[,split,group]`.

    Args:
        frame: Text or integer columns; rows are named by position in messages.
        name: What to call it in messages.

    Returns:
        The columns, as text.

    Raises:
        DataError: Naming the row and the column of the first problem.
    """
    names = [str(column) for column in frame.columns]
    rows = [f"row {index}" for index in range(len(frame))]

    def values(position: int) -> list[str]:
        column = frame.iloc[:, position]
        return [
            _cell(name, row, names[position], value)
            for row, value in zip(rows, column.tolist(), strict=True)
        ]

    def others(position: int) -> list[str] | None:
        cells = frame.iloc[:, position].tolist()
        plain = all(pd.api.types.is_scalar(cell) for cell in cells)
        return ["" if pd.isna(cell) else str(cell) for cell in cells] if plain else None

    return _checked(name, names, values, others, rows)


def _cell(name: str, row: str, column: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, os.PathLike):
        return str(value)
    if isinstance(value, (list, tuple, set, np.ndarray)) and column.strip().lower() == "label":
        raise several_labels(f"{name}, {row}, column {column!r}", f"{list(value)!r:.80}")
    given = f"{value!r} is {type(value).__name__}"
    raise DataError(f"{name}, {row}, column {column!r} - not text - {given} - write it as text")


def _csv_table(name: str) -> LabelTable:
    try:
        text = Path(name).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        given = f"byte 0x{error.object[error.start]:02x}"
        advice = "save the table as UTF-8"
        raise DataError(f"{name}, line {line} - not UTF-8 - {given} - {advice}") from error
    lines = text.splitlines(keepends=True)
    header = lines[0] if lines else ""
    separator = max(",;\t", key=header.count)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    records: list[list[str]] = []
    rows: list[str] = []
    try:
        names = next(reader, [])
        line = reader.line_num + 1
        for record in reader:
            if any(cell.strip() for cell in record):
                records.append(record)
                rows.append(f"line {line}")
            line = reader.line_num + 1
    except csv.Error as error:
        advice = "check the quotes"
        where = f"{name}, line {reader.line_num}"
        raise DataError(f"{where} - cannot be read as CSV - {error} - {advice}") from error
    for row, record in zip(rows, records, strict=True):
        if len(record) != len(names):
            given = f"{len(record)} for {len(names)} columns"
            advice = f"put cells that hold {separator!r} in quotes"
            raise DataError(f"{name}, {row} - wrong number of cells - {given} - {advice}")

    def values(position: int) -> list[str]:
        return [record[position] for record in records]

    return _checked(name, names, values, values, rows)


def _checked(
    name: str,
    names: list[str],
    values: Callable[[int], list[str]],
    others: Callable[[int], list[str] | None],
    rows: list[str],
) -> LabelTable:
    plain = [column.strip().lower() for column in names]
    for column in NEEDED + OPTIONAL:
        if plain.count(column) > 1:
            advice = "keep one"
            raise DataError(f"{name}, column {column!r} - is listed twice - {names} - {advice}")
    for column in NEEDED:
        if column not in plain:
            _check_one_hot(name, plain, others)
            hint = did_you_mean(column, names)
            advice = "name the columns path,label[,split,group]"
            raise DataError(f"{name} - no column {column!r} - given {names}{hint} - {advice}")
    if not rows:
        raise DataError(f"{name} - no images - 0 rows below the header - add one row per image")
    columns: dict[str, list[str] | None] = {}
    for column in NEEDED + OPTIONAL:
        columns[column] = None
        if column in plain:
            cells = [
                normal(c.strip()) if column != "path" else c for c in values(plain.index(column))
            ]
            _check_filled(name, column, cells, rows)
            columns[column] = cells
    path, label = columns["path"] or [], columns["label"] or []
    _check_once(name, path, label, rows)
    check_joined(name, label, rows)
    rest = {
        column: others(position)
        for position, column in enumerate(plain)
        if column and column not in NEEDED + OPTIONAL and plain.count(column) == 1
    }
    kept = {column: [normal(c.strip()) for c in cells] for column, cells in rest.items() if cells}
    return LabelTable(name, path, label, columns["split"], columns["group"], rows, kept)


def _check_filled(name: str, column: str, cells: list[str], rows: list[str]) -> None:
    for row, cell in zip(rows, cells, strict=True):
        if cell.strip() in MISSING:
            advice = "fill it in or remove the row"
            raise DataError(f"{name}, {row}, column {column!r} - no value - {cell!r} - {advice}")


def _check_one_hot(name: str, plain: list[str], others: Callable[[int], list[str] | None]) -> None:
    if "path" not in plain or "label" in plain:
        return
    binary = one_hot_columns({column: others(plain.index(column)) for column in plain})
    if binary:
        given = f"columns of 0 and 1 in place of a label: {first_few(binary)}"
        raise several_labels(name, given)


def _check_once(name: str, paths: list[str], labels: list[str], rows: list[str]) -> None:
    first: dict[str, int] = {}
    for index, path in enumerate(paths):
        before = first.setdefault(os.path.normpath(path), index)
        if before != index:
            given = (
                f"{path!r} as {labels[before]!r} in {rows[before]} and as {labels[index]!r} here"
            )
            advice = (
                "keep one row" if labels[before] == labels[index] else f"keep one row: {ADVICE}"
            )
            where = f"{name}, {rows[index]}, column 'path'"
            raise DataError(f"{where} - listed twice - {given} - {advice}")


def resolve_paths(table: LabelTable, root: str) -> list[str]:
    """Absolute paths of a table's images, all of them under `root`.

    Single missing files are left to the check that opens every image.

    Args:
        table: The table.
        root: Absolute folder that relative paths start from.

    Returns:
        One absolute path per row.

    Raises:
        DataError: When a path leads out of the root, or not one file is there.
    """
    real_root = os.path.realpath(root)
    paths = []
    for row, given in zip(table.rows, table.path, strict=True):
        where = f"{table.name}, {row}, column 'path'"
        if "\0" in given:
            raise DataError(f"{where} - not a path - {given!r} - remove the zero byte")
        path = os.path.normpath(Path(root, given))
        if os.path.commonpath([real_root, os.path.realpath(path)]) != real_root:
            raise DataError(
                f"{where} - leads out of the root - {given!r} is not under {root} - move the image "
                "there or give another root"
            )
        paths.append(path)
    if not any(Path(path).is_file() for path in paths):
        advice = "give the folder that the paths start from as root"
        if "\\" in table.path[0]:
            advice = "write / in place of \\"
        given = f"{table.path[0]!r} under {root}"
        raise DataError(f"{table.name} - not one of its images is there - {given} - {advice}")
    return paths


def rows_of_split(table: LabelTable, split: str) -> Sequence[int]:
    """Positions of the rows that belong to one split.

    Args:
        table: The table.
        split: A value of its column `split`.

    Returns:
        Positions, in order.

    Raises:
        DataError: When there is no such column or no such split.

    >>> rows_of_split(LabelTable("t", ["1", "2"], ["a", "a"], ["train", "test"], None, []), "test")
    [1]
    """
    if table.split is None:
        given = f"split {split!r} was asked for"
        raise DataError(f"{table.name} - no column 'split' - {given} - add it or leave split out")
    rows = [index for index, value in enumerate(table.split) if value == split]
    if not rows:
        known = sorted(set(table.split))
        hint = did_you_mean(split, known)
        given = f"{split!r}{hint}"
        raise DataError(f"{table.name} - no such split - {given} - choose from {', '.join(known)}")
    return rows


def from_table(
    path: str | Path,
    root: str | Path | None = None,
    split: str | None = None,
    classes: GivenClasses = None,
) -> ImageList:
    r"""Images listed in a CSV or Parquet file with the columns `path,label[,split,group]`.

    Args:
        path: The table.
        root: Folder that the paths start from and stay under; the table's own if None.
        split: Take only the rows whose `split` is this.
        classes: Words and prompts of the classes: a YAML file or a dict; labels if None.

    Returns:
        Images sorted by class, then path: the same as `from_folder` gives for the same files.

    Raises:
        DataError: See `read_table` and `resolve_paths`.
    """
    base = resolve_path(path).parent if root is None else root
    return _from_rows(read_table(path), base, split, classes)


def from_frame(
    frame: pd.DataFrame,
    root: str | Path,
    split: str | None = None,
    classes: GivenClasses = None,
) -> ImageList:
    """Images listed in a pandas table; see `from_table`.

    Args:
        frame: Columns `path,label[,split,group]`.
        root: Folder that the paths start from and stay under.
        split: Take only the rows whose `split` is this.
        classes: Words and prompts of the classes: a YAML file or a dict; labels if None.

    Raises:
        DataError: See `frame_table` and `resolve_paths`.
    """
    return _from_rows(frame_table(frame), root, split, classes)


def _from_rows(
    table: LabelTable, root: str | Path, split: str | None, classes: GivenClasses
) -> ImageList:
    base = os.path.abspath(resolve_path(root))  # noqa: PTH100 (Path.absolute() keeps `..`)
    paths = resolve_paths(table, base)
    rows = range(len(paths)) if split is None else rows_of_split(table, split)
    order = sorted(rows, key=lambda row: (table.label[row], paths[row]))
    labels = [table.label[row] for row in order]
    names, notes = given_names(classes, labels)

    def pick(values: list[str] | None) -> list[str] | None:
        return None if values is None else [values[row] for row in order]

    return ImageList(
        paths=[paths[row] for row in order],
        labels=labels,
        groups=pick(table.group),
        splits=pick(table.split),
        root=base,
        classes=names,
        notes=notes,
        columns={name: [values[row] for row in order] for name, values in table.others.items()},
    )


@source("table")
@dataclass
class TableSource(Source):
    """A table of paths and labels."""

    path: str = path_to(FILE, needed=True)
    """CSV or Parquet table with the columns `path` and `label`."""
    root: str | None = path_to(FOLDER)
    """Where its paths start; the folder of the table when not given."""
    split: str | None = None
    """Rows to take, by the column `split`."""

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; see `from_table`."""
        return from_table(self.path, self.root, self.split, classes)
