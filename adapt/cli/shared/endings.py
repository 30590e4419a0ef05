"""How every command ends: one sentence, one exit code, and never a raw traceback."""

import errno
import io
import os
import shlex
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from adapt.cli.shared.options import AUTO, RESUME, joined
from adapt.common.cache import cache_folder
from adapt.common.files import FULL, not_written
from adapt.common.signals import NOTICE, for_a_command, last_words
from adapt.errors import AdaptError, Interrupted, RunError

READ_ONLY = ("check", "diff", "monitor", "validate", "plan", "list", "verify", "schema", "serve")
"""Commands that leave nothing to go on with when they are stopped."""
STOPPED, UNEXPECTED, USAGE = 130, 1, 2
PREEMPTED = 75
"""After a scheduler's notice, where the same command goes on: `EX_TEMPFAIL` of sysexits.h."""
UNWRITABLE = (*FULL, errno.EROFS)
GONE = (errno.EPIPE, errno.EIO)
PATHS = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM)
"""Faults of a path that a user gave."""
WORKER = "Original Traceback (most recent call last)"
MOST = 400


def run_command(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code; whatever went wrong is said in one sentence.

    Args:
        command: Called without arguments, in typer's `standalone_mode=False`; it reads `sys.argv`.
    """
    safe_streams()
    with for_a_command() as signals, plain_warnings():
        try:
            code = _ended(command, signals)
            _flush()
        except KeyboardInterrupt:  # while the last sentence was printed
            code = STOPPED
        except OSError as error:
            code = _failed(error)
    return code


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show a `UserWarning` as a sentence, without the line of code that gave it."""
    before = warnings.formatwarning

    def plain(message: Warning | str, category: type[Warning], *place: Any, **line: Any) -> str:
        if category is UserWarning:
            return f"Warning: {message}\n"
        return before(message, category, *place, **line)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = before


def _ended(command: Callable[[], Any], signals: list[str]) -> int:
    try:
        code = _uncarried(command)
        _flush()
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt as error:
        return _stopped(signals, error)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else UNEXPECTED if error.code else 0
    except Exception as error:
        if signals and not isinstance(error, AdaptError):  # what it interrupted failed by it
            return _stopped(signals, error)
        return _failed(error)


class Carried(Exception):
    """Carries what typer would end without a word past it, as its cause."""


def _uncarried(command: Callable[[], Any]) -> Any:
    try:
        return command()
    except Carried as error:
        raise error.__cause__ or error from None


def _stopped(signals: Sequence[str], error: BaseException | None) -> int:
    words = ["adapt", *sys.argv[1:]]
    name = signals[0] if signals else "Ctrl-C"
    if isinstance(error, Interrupted):
        again = shlex.join(resumed(words, error.folder))
        last_words(f"stopped by {name}: {error}; resume with: {again}")
        return PREEMPTED if name == NOTICE else RunError.exit_code
    again = shlex.join(words)
    last_words(f"stopped by {name}: nothing was left half written; begin again with: {again}")
    return STOPPED if len(words) > 1 and words[1] in READ_ONLY else RunError.exit_code


def resumed(words: Sequence[str], folder: Path) -> list[str]:
    """The words of a command that goes on in its folder; only `run` may not have named it.

    `sweep` goes on wherever it is called again.

    >>> shlex.join(resumed(["adapt", "run", "lora", "--overwrite", "--out=a"], Path("a")))
    'adapt run lora --resume --out a'
    >>> shlex.join(resumed(["adapt", "run", "lora", "--resume", "auto", "--out", "a"], Path("a")))
    'adapt run lora --resume auto --out a'
    >>> shlex.join(resumed(["adapt", "predict", "m", "photos", "-o", "a"], Path("a")))
    'adapt predict m photos -o a --resume'
    >>> shlex.join(resumed(["adapt", "embed", "photos", "m", "-o", "a", "--overwrite"], Path("a")))
    'adapt embed photos m -o a'
    """
    if words[1:2] == ["sweep"]:
        return list(words)
    kept, skip, again = [], False, [RESUME]
    for word in joined(words):
        if skip or word in ("--out", RESUME, "--overwrite") or word.startswith("--out="):
            skip = word == "--out" and not skip
        elif word == f"{RESUME}-{AUTO}":
            again = [RESUME, AUTO]
        else:
            kept.append(word)
    place = ["--out", str(folder)] if words[1:2] == ["run"] else []
    if words[1:2] == ["embed"]:  # which goes on by itself
        again = []
    return [*kept, *again, *place]


def _failed(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    if isinstance(error, AdaptError):
        text = str(error)
        if WORKER not in text:
            last_words(f"{type(error).__name__}: {text}")
            return error.exit_code
        # A loading process hands its traceback over in the message; its last line is the sentence.
        last_words(f"{type(error).__name__}: {_last_line(text)}")
        return error.exit_code
    if hasattr(error, "exit_code") and hasattr(error, "show"):  # a mistake in the command line
        with suppress(OSError):
            error.show()
        return int(error.exit_code)
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        place = error.filename or "standard output"
        last_words(f"RunError: {not_written(place, error)}; what was finished is kept")
        return RunError.exit_code
    if isinstance(error, OSError) and error.errno in PATHS and error.filename:
        last_words(
            f"RecipeError: {_short(str(error.filename))} - {error.strerror} - check the path"
        )
        return USAGE
    text = _last_line(str(error)) if WORKER in str(error) else str(error)
    text = _short(" ".join(text.split()))
    shown = f"{type(error).__name__}: {text}" if text else type(error).__name__
    last_words(f"unexpected error - {shown} - {_kept(error)}")
    return UNEXPECTED


def _short(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST]} ..."


def _last_line(text: str) -> str:
    last = text.rstrip().rsplit("\n", 1)[-1]
    return last.partition(": ")[2] or last


def _kept(error: Exception) -> str:
    """Write the traceback to a file; returns where it is."""
    try:
        lines = traceback.format_exception(error)
    except (RecursionError, MemoryError):
        lines = [f"{type(error).__name__}: too deep, or too large, to be shown\n"]
    name = f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    command = shlex.join(sys.argv)
    text = f"{command}\n{sys.version}\n\n{''.join(lines)}"
    for folder in (cache_folder("errors"), Path(tempfile.gettempdir())):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return f"the traceback is in {path}; please report it"
    return "the traceback could not be written anywhere"


class Lasting(io.RawIOBase):
    """A stream whose reader may go away: what is written afterwards is dropped.

    So `adapt run RECIPE | head` finishes the run. A full disk is reported once, not again at exit.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self.under, self.lost = raw, False

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """Of the stream below."""
        return self.under.fileno()

    def isatty(self) -> bool:
        """As the stream below."""
        return self.under.isatty()

    def write(self, data: Any) -> int:
        """Write, or drop when nobody reads any more."""
        if not self.lost:
            try:
                return self.under.write(data) or 0
            except OSError as error:
                self.lost = True
                if error.errno not in GONE:
                    raise
        return len(data)


def safe_streams() -> None:
    """Let standard output and error show every character, escaped where they cannot, and last."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        below = getattr(stream, "buffer", None)
        raw = getattr(below, "raw", below)  # unbuffered, there is nothing between
        if isinstance(stream, io.TextIOWrapper) and isinstance(raw, io.FileIO):
            with suppress(OSError):
                stream.flush()
            lines = name == "stderr" or stream.line_buffering or raw is below
            buffer = io.BufferedWriter(Lasting(raw))
            safe = io.TextIOWrapper(buffer, stream.encoding, "backslashreplace", None, lines)
            setattr(sys, name, safe)


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()
