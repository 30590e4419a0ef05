"""CSV, in which no spreadsheet finds a formula."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapt.common.files import safe_cell
from adapt.predictions.outputs.base import TABLES, AddRow, Row


def as_text(cell: Any) -> str | None:
    """A cell as a text that people read in a spreadsheet.

    >>> as_text([{"label": "cat", "probability": 0.9}, {"label": "dog", "probability": 0.1}])
    'cat=0.9000; dog=0.1000'
    >>> as_text(["cat", "dog"]), as_text(True), as_text(2 / 3)
    ('cat; dog', 'true', '0.666667')
    """
    if isinstance(cell, list):
        return "; ".join(as_text(item) or "" for item in cell)
    if isinstance(cell, dict):
        return f"{cell['label']}={cell['probability']:.4f}"
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"{cell:.6f}" if isinstance(cell, float) else cell


@contextmanager
def _csv(part: Path, columns: list[str]) -> Iterator[AddRow]:
    with part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()

        def add(row: Row) -> None:
            writer.writerow({name: safe_cell(as_text(cell)) for name, cell in row.items()})

        yield add


TABLES.register("csv", _csv)
