"""What an engine of a sweep is: it starts runs; how they are begun, watched and stopped is here."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import RunOutcome, SweepTask

Told = Callable[[SweepTask, RunOutcome | None], None]
"""Called with a run that begins (None), and again with how it ended."""
PAUSE = 0.1
"""Seconds between two looks at the runs."""


class StartedRun(Protocol):
    """A run that an engine was given."""

    @property
    def task(self) -> SweepTask:
        """Which run it is."""

    @property
    def slot(self) -> int:
        """Its place among those that run at once, from 0."""

    def begun(self) -> bool:
        """Whether it runs or has run; it may have to wait for a machine.

        Raises:
            RunError: When no run can begin there.
        """

    def outcome(self) -> RunOutcome | None:
        """How it ended, recorded; None until then."""

    def stop(self) -> None:
        """Ask it to save and end, without waiting for that."""


@dataclass(frozen=True)
class RunStarter:
    """An engine that is ready."""

    at_once: int
    """How many runs it is given at once."""
    start: Callable[[SweepTask, int], StartedRun]
    """Starts a run in a slot."""


Engine = Callable[[SweepOptions, Mapping[str, Any]], AbstractContextManager[RunStarter]]
"""From options and the section `runtime` of the recipe; what it has started ends with the context.
"""


def run_all(tasks: Sequence[SweepTask], starter: RunStarter, told: Told) -> None:
    """Run all tasks, some at once; a run that fails does not stop the others.

    Args:
        tasks: In the order in which they are to begin.
        starter: Starts them.
        told: Called in this thread.

    Raises:
        KeyboardInterrupt: After Ctrl-C or SIGTERM, when all runs have saved and ended.
    """
    waiting, running = deque(tasks), list[StartedRun]()
    announced = set[str]()
    with _stopped_at_the_end(running, announced, told):
        while waiting or running:
            while waiting and len(running) < starter.at_once:
                slot = min(set(range(starter.at_once)) - {one.slot for one in running})
                running.append(starter.start(waiting.popleft(), slot))
            _gather(running, announced, told)
            time.sleep(PAUSE)


def _gather(running: list[StartedRun], announced: set[str], told: Told) -> None:
    """Say which runs have begun and ended since the last look; those that ended are taken out."""
    for one in list(running):
        if one.begun() and one.task.name not in announced:
            announced.add(one.task.name)
            told(one.task, None)
        if (outcome := one.outcome()) is not None:
            running.remove(one)
            if one.task.name in announced:
                told(one.task, outcome)


@contextmanager
def _stopped_at_the_end(
    running: list[StartedRun], announced: set[str], told: Told
) -> Iterator[None]:
    """Whatever ends the loop, no run is left; a second signal ends the sweep at once."""
    try:
        yield
    except BaseException:
        for one in running:
            one.stop()
        while running:
            _gather(running, announced, told)
            time.sleep(PAUSE)
        raise
