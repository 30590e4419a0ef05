"""The images that a Parquet table holds in its column `image`, as hubs of data sets store them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adapt.data.decoding.formats import refuse
from adapt.errors import DataError
from adapt.predictions.inputs.base import INPUTS, InputKind, Item, Reading, ends_with
from adapt.predictions.inputs.table import PARQUET

COLUMN = "image"
"""The column with the bytes of a file, or with a struct of `bytes` and `path`."""
ROWS = 64
"""Rows that are read at once."""


def has_images(table: Path) -> bool:
    """Whether this is a Parquet table that holds images; one that cannot be read does not."""
    if not ends_with(str(table), PARQUET):
        return False
    try:
        with pq.ParquetFile(table) as file:
            return _holds_images(file.schema_arrow)
    except (OSError, pa.ArrowException):
        return False


def _holds_images(schema: pa.Schema) -> bool:
    if COLUMN not in schema.names:
        return False
    kind = schema.field(COLUMN).type
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _takes(source: str) -> bool:
    return has_images(Path(source))


def _read(reading: Reading) -> Iterator[Item]:
    number = 0
    try:
        with pq.ParquetFile(reading.source) as file:
            names = [name for name in (COLUMN, "path") if name in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS, columns=names):
                for row in batch.to_pylist():
                    yield _item(reading.source, number, row)
                    number += 1
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{reading.source} - cannot be read as Parquet - {reason} - export it again"
        ) from error


def _item(source: str, number: int, row: dict[str, Any]) -> Item:
    cell = row[COLUMN]
    inner = cell if isinstance(cell, dict) else {"bytes": cell}
    named = row.get("path") or inner.get("path") or f"row {number}"
    name = f"{source}/{named}"
    if inner.get("bytes") is None:
        return Item.broken(name, refuse(name, "no image", "the cell is empty", "fill it"))
    return Item(name, partial(bytes, inner["bytes"]))


def _count(source: str) -> int:
    return int(pq.read_metadata(source).num_rows)


INPUTS.register("packed", InputKind("a Parquet table with images", _takes, _read, _count))
