"""How far a long step is: told to whoever shows it, and to nobody where nobody does.

A step is tracked where it is done (`track`), and shown where somebody watches (`telling`); what is
between them need not know. The context variable is that of the thread which began the step.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Tell = Callable[[str, int, int], None]
"""Called with the name of a step, how much of it is done, and the total."""
Item = TypeVar("Item")
EVERY = 10.0
"""Seconds between two lines."""
_told: ContextVar[Tell | None] = ContextVar("told", default=None)


@contextmanager
def telling(tell: Tell | None) -> Iterator[None]:
    """Tell somebody of every step that is tracked inside; None tells nobody."""
    token = _told.set(tell)
    try:
        yield
    finally:
        _told.reset(token)


def told() -> Tell | None:
    """Whoever is told now."""
    return _told.get()


def track(items: Iterable[Item], step: str, total: int | None = None) -> Iterator[Item]:
    """The same items, each counted when the next is asked for.

    Args:
        items: What is worked through.
        step: What is done with them, such as `reading images`.
        total: How many there are; the length of `items` if None, which must then have one.

    >>> seen = []
    >>> with telling(lambda *what: seen.append(what)):
    ...     list(track("ab", "spelling"))
    ['a', 'b']
    >>> seen
    [('spelling', 0, 2), ('spelling', 1, 2), ('spelling', 2, 2)]
    """
    tell = _told.get()
    if tell is None:
        yield from items
        return
    if total is None:
        total = len(items) if isinstance(items, Sized) else 0
    tell(step, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        tell(step, done, total)


def write_line(text: str) -> None:
    """One line on standard error, if there is one: programs without a console have none."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")


class Lines:
    """Shows steps as plain lines, one every ten seconds: for logs, where a bar is noise.

    Args:
        write: What a line is given to.
        clock: Seconds that only rise.

    >>> times = iter([0.0, 1.0, 4.0, 11.0, 12.0])
    >>> lines = Lines(print, lambda: next(times))
    >>> for done in range(4):
    ...     lines("reading images", done, 1000)
    reading images: 2 of 1,000
    """

    def __init__(
        self,
        write: Callable[[str], None] = write_line,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.write, self.clock = write, clock
        self.last = clock()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Write a line, unless one was written in the last ten seconds."""
        now = self.clock()
        if done and now - self.last >= EVERY:
            self.last = now
            of = f" of {total:,}" if total else ""
            self.write(f"{step}: {done:,}{of}")


@contextmanager
def lines_unless(quiet: bool) -> Iterator[None]:
    """Show steps as lines, unless it is to be quiet or somebody is told already."""
    if quiet:
        with telling(None):
            yield
    elif told() is not None:
        yield
    else:
        with telling(Lines()):
            yield
