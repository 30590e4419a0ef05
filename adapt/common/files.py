"""Files that are whole or absent, and JSON that every parser reads."""

import contextlib
import errno
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapt.common.words import size_text
from adapt.errors import RecipeError, RunError, one_line

ELSEWHERE = "choose another place"
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
CODE = re.compile(r"os error (\d+)")
"""How libraries in Rust, such as safetensors, name the code of a fault of the system."""


def part_of(path: Path) -> Path:
    """Where a file is written before it is moved to its place: beside it, one per process.

    >>> part_of(Path("scores.json")).suffix
    '.part'
    """
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def advice_for(error: Exception, elsewhere: str = ELSEWHERE) -> str:
    """What to do about a fault of writing, by its cause.

    Args:
        error: What the system said.
        elsewhere: What to do where space is not the cause, or beside freeing some.

    >>> advice_for(OSError(errno.EROFS, "Read-only file system"))
    'choose another place'
    >>> advice_for(OSError(errno.ENOSPC, "No space left on device"), "use another disk")
    'free some space there, or use another disk'
    """
    code = getattr(error, "errno", None)
    if code is None and (named := CODE.search(str(error))):
        code = int(named[1])
    # Without a code it may be anything; writers that give none, such as torch, mostly met its end.
    return f"free some space there, or {elsewhere}" if code in (None, *FULL) else elsewhere


def not_written(
    path: object, error: Exception, elsewhere: str = ELSEWHERE, advice: str | None = None
) -> str:
    """Why something cannot be written, and what to do about that cause.

    Args:
        path: What was to be written.
        error: What the system said.
        elsewhere: See `advice_for`.
        advice: What to do whatever the cause.

    >>> not_written("a.csv", OSError(errno.EROFS, "Read-only file system"))
    'a.csv - cannot be written - Read-only file system - choose another place'
    """
    reason = getattr(error, "strerror", None) or one_line(error)
    return f"{path} - cannot be written - {reason} - {advice or advice_for(error, elsewhere)}"


def check_new(*paths: Path, overwrite: bool = False) -> None:
    """Check that files can be written without replacing any.

    Args:
        paths: The files.
        overwrite: Whether they may be replaced.

    Raises:
        RecipeError: When one is there.
    """
    for path in paths:
        if path.exists() and not overwrite:
            raise RecipeError(
                f"{path} - exists - it would be overwritten - add --overwrite, or give another name"
            )


def write_whole(
    path: str | Path,
    write: Callable[[Path], object],
    advice: str | None = None,
    elsewhere: str = ELSEWHERE,
) -> Path:
    """Write a file, and the folders above it, at once or not at all.

    Args:
        path: The file.
        write: Called with the path to write to; what is there afterwards is moved in.
        advice: What to do when that fails, whatever the cause; by the cause if None.
        elsewhere: See `not_written`; without `advice`.

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
        raise RunError(not_written(path, error, elsewhere, advice)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def check_room(folder: Path, needed: int, what: str = "the next checkpoint") -> None:
    """Find out whether a folder has room for so many bytes.

    Args:
        folder: It, or a folder above it, exists.
        needed: Bytes.
        what: They are for, for the message.

    Raises:
        RunError: When it has not; what is there is kept.
    """
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise RunError(
            f"{folder} - no room for {what} - {size_text(free)} free, {size_text(needed)} "
            "needed - free some space there and go on with --resume, or choose another --out"
        )


def write_text(path: str | Path, text: str, advice: str | None = None) -> Path:
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
        raise RunError(not_written(path, error)) from error


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


def write_result(
    files: tuple[Path, Path], page: str, content: Mapping[str, Any], overwrite: bool
) -> Path:
    """Write what a command found out; returns the path of its page.

    Args:
        files: The page and the content.
        page: HTML.
        content: JSON.
        overwrite: Whether earlier ones are replaced.

    Raises:
        RecipeError: When they are there and are not to be replaced.
        RunError: When they cannot be written.
    """
    check_new(*files, overwrite=overwrite)
    write_json(files[1], content)
    return write_text(files[0], page)


def safe_cell(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula.

    >>> safe_cell("=cmd()"), safe_cell(-1.5), safe_cell(None)
    ("'=cmd()", -1.5, '')
    """
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if cell is None else cell
