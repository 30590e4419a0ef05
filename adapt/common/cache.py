"""Where files that can always be made again are kept: unpacked archives, features, answers."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from adapt.errors import RecipeError

KINDS = ("features", "unpacked", "search", "check", "errors")
"""Folders of the cache: features, unpacked archives, maps of embeddings, answers, tracebacks."""
MOST_GB = "ADAPT_CACHE_GB"
DEFAULT_GB = 20.0


def cache_folder(*parts: str) -> Path:
    """A folder for one kind of such files; it is made by whoever writes there.

    That is below `ADAPT_CACHE` when the environment sets it, else below `XDG_CACHE_HOME/adapt`,
    else `~/.cache/adapt`. Deleting it loses nothing but time.

    Args:
        parts: Folder names below it.
    """
    own = os.environ.get("ADAPT_CACHE")
    if own:
        return Path(own).joinpath(*parts)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "adapt", *parts)


def most_bytes() -> int:
    """Size above which what was used longest ago is deleted: `ADAPT_CACHE_GB`, 20 without it.

    Raises:
        RecipeError: When the environment gives no positive number.
    """
    given = os.environ.get(MOST_GB, "")
    try:
        size = float(given) if given else DEFAULT_GB
    except ValueError:
        size = -1.0
    if not 0 < size < float("inf"):
        raise RecipeError(f"{MOST_GB} - not a size - {given!r} - give gigabytes above 0")
    return int(size * 1e9)


def cached_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file below a folder, with its size and times; what goes meanwhile is left out."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                yield path, path.stat()


def keep_below(folder: Path, most: int) -> list[Path]:
    """Delete the files used longest ago until a folder holds no more than so many bytes.

    Args:
        folder: Of the cache.
        most: Bytes.

    Returns:
        What was deleted. Another process that has such a file open keeps what it reads.
    """
    files = sorted(cached_files(folder), key=lambda item: item[1].st_mtime)
    size, deleted = sum(state.st_size for _, state in files), []
    for path, state in files:
        if size <= most:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            deleted.append(path)
            size -= state.st_size
    return deleted


def mark_used(path: Path) -> None:
    """Say that a file was used now, so that others are deleted first."""
    with contextlib.suppress(OSError):
        os.utime(path)


def cache_sizes() -> dict[str, tuple[int, int]]:
    """Number of files and bytes of each kind in the cache."""
    sizes = {}
    for kind in KINDS:
        states = [state for _, state in cached_files(cache_folder(kind))]
        sizes[kind] = len(states), sum(state.st_size for state in states)
    return sizes


def clear_cache(kind: str | None = None) -> int:
    """Delete a kind, or all of the cache; the bytes that were freed.

    Other files in the folder are left alone.

    Raises:
        RecipeError: When there is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise RecipeError(
            f"cache - not a kind - {kind!r} - use {', '.join(KINDS)}, or none for all"
        )
    sizes, chosen = cache_sizes(), KINDS if kind is None else (kind,)
    for each in chosen:
        shutil.rmtree(cache_folder(each), ignore_errors=True)
    return sum(sizes[each][1] for each in chosen)
