"""Whose run folder it is: one process at a time, as long as that process lives."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from adapt.errors import AdaptError, RecipeError, RunError

LOCK, HALF_WRITTEN = ".lock", ".*.part"


@dataclass(frozen=True)
class FolderKind:
    """What a folder is for, and how that is seen."""

    name: str
    content: str
    """What an earlier process left in it, for messages."""
    marks: tuple[str, ...]
    """A folder with one of these files was written for this."""
    option: str
    """By which another one is chosen."""
    begun: frozenset[str] = frozenset()
    """Files that are written before anything is computed."""


RUN = FolderKind(
    "run folder",
    "an earlier run",
    ("recipe.yaml", "ledger.json"),
    "--out",
    frozenset({"recipe.yaml", "ledger.json", "environment.json", "log.txt"}),
)


@contextmanager
def run_folder(
    folder: Path, resume: bool, overwrite: bool, kind: FolderKind = RUN
) -> Iterator[Path]:
    """Make the run folder, or check that an existing one may be used, and lock it while inside.

    The system holds the lock and drops it with the process, however that ends. A new folder in
    which an error ends the work before anything is computed is emptied, for the next attempt.

    Args:
        folder: The folder.
        resume: Go on with what is in it.
        overwrite: Delete what is in it.
        kind: What it is for, where that is no run.

    Raises:
        RecipeError: When it holds an earlier run and neither `resume` nor `overwrite` is set, or
            something else than a run.
        RunError: When another process is writing there, or it cannot be written.
    """
    if resume and overwrite:
        raise RecipeError(
            "--resume - does not go with --overwrite - both given - resume goes on with "
            f"{kind.content}, overwrite deletes it"
        )
    _check(folder, resume, overwrite, kind)
    new = not _names(folder)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise RunError(
            f"{folder} - in use - another process is writing here - wait for it, or choose another "
            f"{kind.option}"
        ) from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(
            f"{folder} - cannot be written - {reason} - choose another {kind.option}"
        ) from error
    try:
        _check(folder, resume, overwrite, kind)  # again: another run may have ended meanwhile
        _clear(folder, overwrite, kind)
        yield folder
    except AdaptError:
        if new and _names(folder) <= kind.begun:
            _clear(folder, True, kind)
        raise
    finally:
        lock.release()


def _names(folder: Path) -> set[str]:
    """Of what is in a folder, but for the lock; empty where there is none."""
    return {path.name for path in folder.iterdir()} - {LOCK} if folder.is_dir() else set()


def _check(folder: Path, resume: bool, overwrite: bool, kind: FolderKind) -> None:
    try:
        if folder.exists() and not folder.is_dir():
            raise RecipeError(
                f"{folder} - not a folder - a file of that name is there - choose another "
                f"{kind.option}"
            )
        names = _names(folder)
        # A process that was killed at its first file has left no more than the beginning of that.
        names -= {path.name for path in folder.glob(HALF_WRITTEN)}
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{folder} - cannot be read - {reason} - choose another {kind.option}"
        ) from error
    if not names:
        return
    if not names & set(kind.marks):
        raise RecipeError(
            f"{folder} - not a {kind.name} - it holds other files - choose another {kind.option}"
        )
    if not (resume or overwrite):
        raise RecipeError(
            f"{folder} - not empty - it holds {kind.content} - add --resume to go on, --overwrite "
            f"to begin again, or choose another {kind.option}"
        )


def _clear(folder: Path, everything: bool, kind: FolderKind) -> None:
    """Delete an earlier run, or what a process that was killed has left half written."""
    try:
        if not everything:
            for part in list(folder.rglob(HALF_WRITTEN)):
                _delete(part)
            return
        # What marks the folder goes last: a process that is killed here can be started again.
        for path in sorted(folder.iterdir(), key=lambda path: path.name in kind.marks):
            if path.name != LOCK:
                _delete(path)
    except OSError as error:
        place = error.filename or folder
        raise RunError(
            f"{place} - cannot be deleted - {error.strerror or error} - choose another "
            f"{kind.option}"
        ) from error


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
