"""Whose run folder it is: one process at a time, as long as that process lives."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from adapt.errors import RecipeError, RunError

LOCK = ".lock"
MARKS = ("recipe.yaml", "ledger.json")
"""A folder with one of them was written by a run."""


@contextmanager
def run_folder(folder: Path, resume: bool, overwrite: bool) -> Iterator[Path]:
    """Make the run folder, or check that an existing one may be used, and lock it while inside.

    The system holds the lock and drops it with the process, however that ends.

    Raises:
        RecipeError: When it holds an earlier run and neither `resume` nor `overwrite` is set, or
            something else than a run.
        RunError: When another process is writing there, or it cannot be written.
    """
    if resume and overwrite:
        raise RecipeError(
            "--resume - does not go with --overwrite - both given - resume continues the earlier "
            "run, overwrite deletes it"
        )
    _check(folder, resume, overwrite)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise RunError(
            f"{folder} - in use - another run is writing here - wait for it, or choose another "
            "--out"
        ) from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(f"{folder} - cannot be written - {reason} - choose another --out") from error
    try:
        _check(folder, resume, overwrite)  # again: another run may have ended meanwhile
        _clear(folder, overwrite)
        yield folder
    finally:
        lock.release()


def _check(folder: Path, resume: bool, overwrite: bool) -> None:
    try:
        if folder.exists() and not folder.is_dir():
            raise RecipeError(
                f"{folder} - not a folder - a file of that name is there - choose another --out"
            )
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(f"{folder} - cannot be read - {reason} - choose another --out") from error
    names.discard(LOCK)
    if not names:
        return
    if not names & set(MARKS):
        raise RecipeError(
            f"{folder} - not a run folder - it holds other files - choose another --out"
        )
    if not (resume or overwrite):
        raise RecipeError(
            f"{folder} - not empty - it holds an earlier run - add --resume to continue it, "
            "--overwrite to replace it, or choose another --out"
        )


def _clear(folder: Path, everything: bool) -> None:
    """Delete an earlier run, or what a process that was killed has left half written."""
    try:
        if not everything:
            for part in list(folder.rglob(".*.part")):
                _delete(part)
            return
        for path in folder.iterdir():
            if path.name != LOCK:
                _delete(path)
    except OSError as error:
        place = error.filename or folder
        raise RunError(
            f"{place} - cannot be deleted - {error.strerror or error} - choose another --out"
        ) from error


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
