"""How the command line shows progress: a bar on a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from adapt.common.progress import lines_unless, pace, telling


class Pace(ProgressColumn):
    """How many items a second, in the mean: batches come at once, and would look like leaps."""

    def render(self, task: Task) -> Text:
        """The words of a step."""
        rate = task.completed / task.elapsed if task.elapsed else 0.0
        return Text(pace(rate) if rate else "", "progress.data.speed")


@contextmanager
def progress_shown(quiet: bool = False) -> Iterator[None]:
    """Show each step on standard error: a bar on a terminal, a line every ten seconds elsewhere.

    Nothing is shown when it is to be quiet, or where there is no standard error.
    """
    console = None if sys.stderr is None else Console(stderr=True)
    if quiet or console is None or not console.is_terminal:
        with lines_unless(quiet or console is None):
            yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Pace())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total or None)
            bars.update(tasks[step], completed=done, total=total or None)
            if total and done >= total:  # so that a run does not fill the screen with full bars
                bars.remove_task(tasks.pop(step))

        with telling(tell):
            yield
