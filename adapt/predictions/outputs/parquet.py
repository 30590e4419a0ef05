"""Parquet, in row groups, so that a table of any length takes little memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adapt.predictions.outputs.base import TABLES, AddRow, Row, as_utf8

ROWS = 4096
"""Rows that are written at once."""
KINDS = {
    "confidence": pa.float64(),
    "abstained": pa.bool_(),
    "unknown": pa.bool_(),
    "set": pa.list_(pa.string()),
    "labels": pa.list_(pa.string()),
}
"""Types of columns that are no text; `topN` is the other one."""
TOP = pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float64())]))


def _kind(name: str) -> pa.DataType:
    return TOP if re.fullmatch(r"top\d+", name) else KINDS.get(name, pa.string())


@contextmanager
def _parquet(part: Path, columns: list[str]) -> Iterator[AddRow]:
    schema = pa.schema([(name, _kind(name)) for name in columns])
    rows: list[Row] = []
    with pq.ParquetWriter(part, schema) as writer:

        def send() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        def add(row: Row) -> None:
            rows.append({name: as_utf8(cell) for name, cell in row.items()})
            if len(rows) == ROWS:
                send()

        yield add
        send()


TABLES.register("parquet", _parquet)
