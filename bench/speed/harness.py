"""How the speed of one piece of work is measured against what people would use instead.

A row of `docs/benchmarks/speed.md` is a file in `bench/speed/rows` that calls `row`. Ours and the
opponent run in turn, so that a machine whose speed drifts slows both; what is quoted is the median
of the ratios, pair by pair. That both do the same is asserted beside, never assumed.
"""

import gc
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ALTERNATIONS = 5


@dataclass
class Figure:
    """What one row measured."""

    ours: list[float]
    """Seconds (or megabytes, as the row says), one for each alternation."""
    theirs: list[float] = field(default_factory=list)
    """The opponent's, in the same order; empty where the limit is no ratio."""
    checks: dict[str, str] = field(default_factory=dict)
    """What was found equal (or how far apart), in words; each was asserted."""
    note: str = ""
    """What a reader must know: sizes, opponents' settings, why a row is lost."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    work: str
    """What is done, in words."""
    opponent: str
    """Against what; a dash where the limit is absolute."""
    limit: float
    """What the median must reach."""
    kind: str
    """`times_faster`: theirs / ours, at least the limit; `fraction`: ours / theirs, at most the
    limit; `seconds` or `megabytes`: ours, at most the limit."""
    measure: Callable[[], Figure]

    def value(self, figure: Figure) -> float:
        """The median that is compared with the limit."""
        if self.kind in ("seconds", "megabytes"):
            return statistics.median(figure.ours)
        pairs = zip(figure.ours, figure.theirs, strict=True)
        ratios = [b / a if self.kind == "times_faster" else a / b for a, b in pairs]
        return statistics.median(ratios)

    def reached(self, value: float) -> bool:
        """Whether that is good enough."""
        return value >= self.limit if self.kind == "times_faster" else value <= self.limit


ROWS: dict[str, Row] = {}


def row(
    name: str, work: str, opponent: str, limit: float, kind: str = "times_faster"
) -> Callable[[Callable[[], Figure]], Callable[[], Figure]]:
    """Decorator: enter a function that measures into the table; see `Row`."""

    def add(measure: Callable[[], Figure]) -> Callable[[], Figure]:
        ROWS[name] = Row(name, work, opponent, limit, kind, measure)
        return measure

    return add


def peak() -> float:
    """Most memory that this process has held, in MB.

    From Linux's own account of this program: `getrusage` counts what its parent held before.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call, and what it returned."""
    gc.collect()
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def alternate(
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    times: int = ALTERNATIONS,
    warm_up: bool = True,
) -> tuple[Figure, Any, Any]:
    """Run both in turn.

    Args:
        ours: One whole piece of work.
        theirs: The same, done by the opponent.
        times: How often each is timed.
        warm_up: Run each once before, untimed.

    Returns:
        The seconds, and what each returned last.
    """
    if warm_up:
        ours()
        theirs()
    figure, first, second = Figure([]), None, None
    for turn in range(times):
        # Who begins changes, so that neither always finds the caches of the other.
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            if which == 0:
                seconds, first = timed(ours)
                figure.ours.append(seconds)
            else:
                seconds, second = timed(theirs)
                figure.theirs.append(seconds)
    return figure, first, second
