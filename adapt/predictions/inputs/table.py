"""The images that the column `path` of a CSV or Parquet table names."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adapt.errors import DataError
from adapt.predictions.inputs.base import INPUTS, InputKind, Item, Reading, ends_with

CSV, PARQUET = (".csv", ".tsv"), (".parquet", ".pq")


def _takes(source: str) -> bool:
    return ends_with(source, CSV + PARQUET)


def _read(reading: Reading) -> Iterator[Item]:
    table = Path(reading.source)
    # To its end once: a mistake in the last row is found before the first image is predicted.
    _count(reading.source)
    for path in table_paths(table):
        yield Item.at(str(table.parent / path))


def _count(source: str) -> int:
    return sum(1 for _ in table_paths(Path(source)))


def table_paths(table: Path) -> Iterator[str]:
    """The column `path` of a CSV or Parquet table, row by row.

    Raises:
        DataError: When there is none, or a row has no path.
    """
    if not table.is_file():
        raise DataError(f"{table} - not found - no such table - check the path")
    cells = _csv_cells(table) if table.suffix.lower() in CSV else _parquet_cells(table)
    for number, path in enumerate(cells, 1):
        if not isinstance(path, str) or not path.strip() or "\0" in path:
            raise DataError(
                f"{table}, row {number} - no path - given {path!r:.80} - fill the column `path`, "
                "or remove the row"
            )
        yield path


def _csv_cells(table: Path) -> Iterator[Any]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            rows = csv.reader(file, delimiter=max(",;\t", key=header.count), strict=True)
            names = next(rows, [])
            column = _path_column(table, names)
            for number, row in enumerate(filter(any, rows), 1):
                if len(row) != len(names):
                    raise DataError(
                        f"{table}, row {number} - wrong number of cells - {len(row)} for "
                        f"{len(names)} columns - put cells that hold the separator in quotes"
                    )
                yield row[column]
    except UnicodeDecodeError as error:
        advice = "save the table as UTF-8"
        raise DataError(f"{table} - not UTF-8 text - {error.reason} - {advice}") from error
    except (OSError, csv.Error) as error:
        advice = "export it again"
        raise DataError(f"{table} - cannot be read as CSV - {error} - {advice}") from error


def _parquet_cells(table: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(table) as file:
            _path_column(table, file.schema_arrow.names)
            for batch in file.iter_batches(columns=["path"]):
                yield from batch.column(0).to_pylist()
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        advice = "export it again"
        raise DataError(f"{table} - cannot be read as Parquet - {reason} - {advice}") from error


def _path_column(table: Path, names: list[str]) -> int:
    if "path" not in names:
        raise DataError(
            f"{table} - no column 'path' - given {names} - name the column with the image paths "
            "`path`"
        )
    return names.index("path")


INPUTS.register("table", InputKind("a CSV or Parquet table with paths", _takes, _read, _count))
