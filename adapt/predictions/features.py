"""Features beside a table of predictions: one row for each of its rows, in the same order."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from adapt.predictions.outputs.base import as_utf8

AddFeatures = Callable[[str, Tensor | None], None]
"""Called with the name of an image and its features, None where it could not be read."""
ROWS = 1024
"""Rows of a Parquet file that are written at once."""


@contextmanager
def _npy(part: Path, width: int) -> Iterator[AddFeatures]:
    """An array (N, D) of float32; the row of an image that could not be read is NaN."""
    missing = np.full(width, np.nan, np.float32)
    count = 0
    with part.open("wb") as file:

        def header() -> None:
            shape = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
            # Its length does not depend on `count`: numpy leaves room for an axis that grows.
            np.lib.format.write_array_header_1_0(file, shape)

        def add(name: str, features: Tensor | None) -> None:
            nonlocal count
            row = missing if features is None else features.numpy()
            file.write(row.astype("<f4", copy=False).tobytes())
            count += 1

        header()
        yield add
        file.seek(0)
        header()


@contextmanager
def _parquet(part: Path, width: int) -> Iterator[AddFeatures]:
    """Columns `path` and `features`, a list of D float32, null for what could not be read."""
    kind = pa.list_(pa.float32(), width)
    schema = pa.schema([("path", pa.string()), ("features", kind)])
    names: list[str] = []
    rows: list[np.ndarray | None] = []
    with pq.ParquetWriter(part, schema) as writer:

        def send() -> None:
            columns = [pa.array(names, pa.string()), pa.array(rows, kind)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            names.clear()
            rows.clear()

        def add(name: str, features: Tensor | None) -> None:
            names.append(as_utf8(name))
            rows.append(None if features is None else features.numpy())
            if len(names) == ROWS:
                send()

        yield add
        send()


FEATURES: dict[str, Callable[[Path, int], AbstractContextManager[AddFeatures]]] = {
    "npy": _npy,
    "parquet": _parquet,
}
"""Formats of features, from a file and the width D to what adds a row."""


def features_path(table: Path, kind: str) -> Path:
    """Where the features of a table are.

    >>> features_path(Path("out/part-00000.csv"), "npy").as_posix()
    'out/part-00000.features.npy'
    """
    return table.with_name(f"{table.stem}.features.{kind}")
