"""What a run says while it goes on: lines of `log.txt`, and notes for its report."""

import time
from collections.abc import Callable
from pathlib import Path

from adapt.common.files import append_line
from adapt.common.progress import write_line


def teller(folder: Path, quiet: bool) -> Callable[[str], None]:
    """A function that adds a line to `log.txt`, and to standard error unless quiet."""
    began = time.monotonic()

    def say(text: str) -> None:
        line = f"[{time.monotonic() - began:6.1f} s] {text}"
        append_line(folder / "log.txt", line)
        if not quiet:
            write_line(line)

    return say


def noting(notes: list[str], say: Callable[[str], None]) -> Callable[[str], None]:
    """A function that adds a sentence to the notes of the report, and says it."""

    def tell(sentence: str) -> None:
        notes.append(sentence)
        say(f"note: {sentence}")

    return tell
