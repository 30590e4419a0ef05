"""A table of labels: CSV or Parquet with `path,label[,split,group]`, read and checked as text.

Where images have several labels, `LabelColumns` says what stands in place of `label`.

A cell has no value when it is empty, or null in Parquet; `None`, `nan`, `NA` and `null` are words.
Lines are split by the reader of CSV alone, so that a cell in quotes may hold any of the signs that
some programs take for the end of a line.
"""

import csv
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adapt.common.typed import resolve_path
from adapt.common.words import first_few
from adapt.data.labels.classes import normal
from adapt.data.labels.label_sets import LabelColumns, LabelSet, joined, read_label_sets
from adapt.data.labels.multi_label import ADVICE, check_joined, one_hot_columns, several_labels
from adapt.data.labels.suffixes import CSV_SUFFIXES, PARQUET_SUFFIXES
from adapt.errors import DataError, did_you_mean

NEEDED = ("path", "label")
OPTIONAL = ("split", "group")


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
    label_sets: list[LabelSet] | None = None
    """All labels of each row, where several were declared; `label` then holds them joined."""

    def columns(self) -> dict[str, list[str]]:
        """The columns that are there, by name."""
        named = {"path": self.path, "label": self.label, "split": self.split, "group": self.group}
        return {name: values for name, values in named.items() if values is not None}


def read_table(path: str | Path, several: LabelColumns | None = None) -> LabelTable:
    r"""Read and check a CSV or Parquet file.

    CSV is UTF-8 with or without BOM; its separator is taken from the header (`,`, `;` or tab).
    Column names are taken without regard to case; other columns are kept in `others`.

    Args:
        path: A `.csv`, `.tsv`, `.txt`, `.parquet` or `.pq` file.
        several: Where the labels are, when an image may have several or none.

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
            # Nullable types, since others make floats of integers beside a missing one.
            frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
        except Exception as error:
            reason = str(error).splitlines()[0]
            advice = "write it again"
            raise DataError(f"{name} - cannot be read as Parquet - {reason} - {advice}") from error
        return frame_table(frame, name, several)
    if suffix not in CSV_SUFFIXES:
        raise DataError(f"{name} - not a table - given {suffix!r} - give .csv or .parquet")
    return _csv_table(name, several)


def frame_table(
    frame: pd.DataFrame, name: str = "<frame>", several: LabelColumns | None = None
) -> LabelTable:
    """Check a pandas table with the columns `path,label[,split,group]`.

    Args:
        frame: Text or integer columns; rows are named by position in messages.
        name: What to call it in messages.
        several: See `read_table`.

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

    return _checked(name, names, values, others, rows, several)


def _cell(name: str, row: str, column: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, os.PathLike):
        return str(value)
    if isinstance(value, (list, tuple, set, np.ndarray)) and column.strip().lower() == "label":
        raise several_labels(f"{name}, {row}, column {column!r}", f"{list(value)!r:.80}")
    given = f"{value!r} is {type(value).__name__}"
    raise DataError(f"{name}, {row}, column {column!r} - not text - {given} - write it as text")


def _csv_table(name: str, several: LabelColumns | None) -> LabelTable:
    names, rows, records = csv_records(name)
    for row, record in zip(rows, records, strict=True):
        if len(record) != len(names):
            given = f"{len(record)} for {len(names)} columns"
            advice = "put a cell in quotes where it holds the separator"
            raise DataError(f"{name}, {row} - wrong number of cells - {given} - {advice}")

    def values(position: int) -> list[str]:
        return [record[position] for record in records]

    return _checked(name, names, values, values, rows, several)


def csv_records(path: str | Path) -> tuple[list[str], list[str], list[list[str]]]:
    """The header of a CSV file, where each row is (such as `line 2`), and the cells of each row.

    Rows without anything in them are left out.

    Args:
        path: A file in UTF-8 with or without BOM, separated by `,`, `;` or tab as the header is.

    Raises:
        DataError: When it cannot be read, or is no UTF-8 or no CSV, naming the line.
    """
    name = str(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{name} - cannot be read - {reason} - check the file") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        given = f"byte 0x{error.object[error.start]:02x}"
        advice = "save the table as UTF-8"
        raise DataError(f"{name}, line {line} - not UTF-8 - {given} - {advice}") from error
    lines = io.StringIO(text, newline="")
    separator = max(",;\t", key=lines.readline().count)
    lines.seek(0)
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
    return names, rows, records


def _checked(
    name: str,
    names: list[str],
    values: Callable[[int], list[str]],
    others: Callable[[int], list[str] | None],
    rows: list[str],
    several: LabelColumns | None,
) -> LabelTable:
    plain = [column.strip().lower() for column in names]
    needed = NEEDED if several is None else NEEDED[:1]
    _check_header(name, names, plain, needed, others)
    if not rows:
        raise DataError(f"{name} - no images - 0 rows below the header - add one row per image")
    columns: dict[str, list[str] | None] = dict.fromkeys(NEEDED + OPTIONAL)
    for column in needed + OPTIONAL:
        if column in plain:
            cells = [
                normal(c.strip()) if column != "path" else c for c in values(plain.index(column))
            ]
            _check_filled(name, column, cells, rows)
            columns[column] = cells
    path, label, sets = columns["path"] or [], columns["label"] or [], None
    if several is not None:
        sets = read_label_sets(name, plain, others, rows, several)
        label = [joined(labels) for labels in sets]
    _check_once(name, path, label, rows)
    if several is None:
        check_joined(name, label, rows)
    rest = {
        column: others(position)
        for position, column in enumerate(plain)
        if column and column not in needed + OPTIONAL and plain.count(column) == 1
    }
    kept = {column: [normal(c.strip()) for c in cells] for column, cells in rest.items() if cells}
    return LabelTable(name, path, label, columns["split"], columns["group"], rows, kept, sets)


def _check_header(
    name: str,
    names: list[str],
    plain: list[str],
    needed: tuple[str, ...],
    others: Callable[[int], list[str] | None],
) -> None:
    for column in needed + OPTIONAL:
        if plain.count(column) > 1:
            advice = "keep one"
            raise DataError(f"{name}, column {column!r} - is listed twice - {names} - {advice}")
    for column in needed:
        if column not in plain:
            _check_one_hot(name, plain, others)
            hint = did_you_mean(column, names)
            advice = "name the columns path,label[,split,group]"
            if "labels" in plain:
                advice += ", or declare several labels per image with a separator"
            raise DataError(f"{name} - no column {column!r} - given {names}{hint} - {advice}")


def _check_filled(name: str, column: str, cells: list[str], rows: list[str]) -> None:
    for row, cell in zip(rows, cells, strict=True):
        if not cell.strip():
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
