"""What a format of tables is, and which one a table is written in."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from adapt.common.registry import Registry
from adapt.common.words import listed
from adapt.errors import RecipeError, did_you_mean

Row = dict[str, Any]
"""Cells by column: a text, a number, a bool, a list of labels, a list of `label` and `probability`,
or None."""
AddRow = Callable[[Row], None]
TableWriter = Callable[[Path, list[str]], AbstractContextManager[AddRow]]
"""From a file and the names of its columns to what adds a row; the file is whole at the end."""
TABLES: Registry[TableWriter] = Registry("format of tables", "adapt.predictions.outputs")
DEFAULT = "csv"
"""Of a folder of parts whose name tells no format."""


def table_format(output: Path, given: str | None, folder: bool = False) -> str:
    """The name of the format: as given, or by the suffix of the table.

    Args:
        output: The table, or the folder of its parts.
        given: A name, if one was given.
        folder: Whether it is a folder, which may have no suffix.

    Raises:
        RecipeError: When it is not known.

    >>> table_format(Path("a.parquet"), None), table_format(Path("a"), None, folder=True)
    ('parquet', 'csv')
    """
    known = list(TABLES.table())
    name = given or output.suffix.lower().removeprefix(".")
    if name in known:
        return name
    if given:
        hint, choice = did_you_mean(given, known), f"choose one of {listed(known)}"
        raise RecipeError(f"--format - not known{hint} - {given!r} - {choice}")
    if folder:
        return DEFAULT
    suffixes = [f".{known_name}" for known_name in known]
    suffix = output.suffix.lower()
    raise RecipeError(
        f"{output} - not a format of tables - {repr(suffix) if suffix else 'no suffix'}"
        f"{did_you_mean(suffix, suffixes)} - give a name that ends in {listed(suffixes)}, or "
        "--format"
    )


def as_utf8(cell: Any) -> Any:
    r"""A cell in which what no UTF-8 can hold, such as the bytes of an old name, is escaped.

    >>> as_utf8(["n\udce9.png", 0.5])
    ['n\\udce9.png', 0.5]
    """
    if isinstance(cell, list):
        return [as_utf8(item) for item in cell]
    if isinstance(cell, dict):
        return {name: as_utf8(item) for name, item in cell.items()}
    return cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell
