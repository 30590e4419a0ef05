"""One JSON object in each line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapt.common.files import json_text
from adapt.predictions.outputs.base import TABLES, AddRow, Row


@contextmanager
def _json_lines(part: Path, columns: list[str]) -> Iterator[AddRow]:
    with part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:

        def add(row: Row) -> None:
            file.write(json_text({name: row[name] for name in columns}, indent=None))

        yield add


TABLES.register("jsonl", _json_lines)
