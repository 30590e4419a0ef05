"""Files that are whole or absent, and JSON that every parser reads."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapt.errors import RunError

ADVICE = "free some space there, or choose another place"


def part_of(path: Path) -> Path:
    """Where a file is written before it is moved to its place: beside it, one per process.

    >>> part_of(Path("scores.json")).suffix
    '.part'
    """
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_whole(path: str | Path, write: Callable[[Path], object], advice: str = ADVICE) -> Path:
    """Write a file, and the folders above it, at once or not at all.

    Args:
        path: The file.
        write: Called with the path to write to; what is there afterwards is moved in.
        advice: What to do when that fails.

    Returns:
        The file.

    Raises:
        RunError: When it cannot be written; an older file of that name is kept.
    """
    path = Path(path)
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(f"{path} - cannot be written - {reason} - {advice}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def write_text(path: str | Path, text: str, advice: str = ADVICE) -> Path:
    """Write a text in UTF-8; see `write_whole`. What UTF-8 cannot hold is escaped."""
    return write_whole(
        path,
        lambda part: part.write_text(text, encoding="utf-8", errors="backslashreplace"),
        advice,
    )


def append_line(path: Path, line: str) -> None:
    """Add a line to a text in UTF-8.

    Raises:
        RunError: When it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(f"{path} - cannot be written - {reason} - {ADVICE}") from error


def plain(value: Any) -> Any:
    """As JSON can hold it: arrays as lists, keys as texts, numbers that are not finite as null.

    >>> plain({1: (float("nan"), float("inf"), 0.5)})
    {'1': [None, None, 0.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(content: Any, indent: int | None = 1) -> str:
    """Strict JSON of `plain` content; what is no text, number, list or mapping is refused."""
    return json.dumps(plain(content), indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | Path, content: Any, indent: int | None = 1) -> Path:
    """Write strict JSON; see `plain` and `write_whole`."""
    return write_text(path, json_text(content, indent))


def safe_cell(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula.

    >>> safe_cell("=cmd()"), safe_cell(-1.5), safe_cell(None)
    ("'=cmd()", -1.5, '')
    """
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if cell is None else cell
