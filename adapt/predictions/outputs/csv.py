"""CSV, in which no spreadsheet finds a formula."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapt.common.files import safe_cell
from adapt.predictions.outputs.base import TABLES, AddRow, Row


@contextmanager
def _csv(part: Path, columns: list[str]) -> Iterator[AddRow]:
    with part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()

        def add(row: Row) -> None:
            confidence = row["confidence"]
            number = "" if confidence is None else f"{confidence:.6f}"
            writer.writerow({k: safe_cell(v) for k, v in row.items()} | {"confidence": number})

        yield add


TABLES.register("csv", _csv)
