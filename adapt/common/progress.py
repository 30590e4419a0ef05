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
SHORTEST = 0.5
"""Seconds of a step that say how fast it goes; of fewer none is told."""
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


def track(
    items: Iterable[Item], step: str, total: int | Callable[[], int] | None = None
) -> Iterator[Item]:
    """The same items, each counted when the next is asked for.

    Args:
        items: What is worked through.
        step: What is done with them, such as `reading images`.
        total: How many there are, or what tells so by and by (0 where it is not known); the length
            of `items` if None, which must then have one.

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
    tell(step, 0, total() if callable(total) else total)
    for done, item in enumerate(items, start=1):
        yield item
        tell(step, done, total() if callable(total) else total)


def write_line(text: str) -> None:
    """One line on standard error, if there is one: programs without a console have none."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")


def pace(rate: float) -> str:
    """How fast something goes, from items per second.

    >>> pace(95.2), pace(2.25), pace(0.25)
    ('95 per second', '2.2 per second', '4 s each')
    """
    if rate < 1:
        return f"{time_text(1 / rate)} each"
    return f"{rate:,.0f} per second" if rate >= 10 else f"{rate:.1f} per second"


def time_text(seconds: float) -> str:
    """A time in words, rounded.

    >>> time_text(40), time_text(125), time_text(5000)
    ('40 s', '2 min', '1 h 23 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Lines:
    """Shows steps as plain lines, one every ten seconds: for logs, where a bar is noise.

    Args:
        write: What a line is given to.
        clock: Seconds that only rise.

    >>> times = iter([0.0, 1.0, 4.0, 11.0, 12.0])
    >>> lines = Lines(print, lambda: next(times))
    >>> for done in range(4):
    ...     lines("reading images", done, 1000)
    reading images: 2 of 1,000, 5 s each, 1 h 23 min left
    """

    def __init__(
        self,
        write: Callable[[str], None] = write_line,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.write, self.clock = write, clock
        self.last = clock()
        self._steps: dict[str, tuple[float, int, int]] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        """Write a line, unless one was written in the last ten seconds."""
        now = self.clock()
        begun, before, last = self._steps.get(step, (now, done, done))
        if done < last:  # the same step, for other items
            begun, before = now, done
        self._steps[step] = (begun, before, done)
        if done and now - self.last >= EVERY:
            self.last = now
            of = f" of {total:,}" if total else ""
            self.write(f"{step}: {done:,}{of}{_speed(now - begun, done - before, total - done)}")


def _speed(seconds: float, done: int, left: int) -> str:
    if seconds < SHORTEST or done <= 0:
        return ""
    rate = done / seconds
    return f", {pace(rate)}" + (f", {time_text(left / rate)} left" if left > 0 else "")


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
