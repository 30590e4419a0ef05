"""Made-up sweeps for tests of results and pages, and engines that need no processes."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.common.files import write_json
from adapt.scale.sweep.engine import Engine, RunStarter
from adapt.scale.sweep.grid import planned_runs
from adapt.scale.sweep.plan import SweepPlan
from adapt.scale.sweep.results import content_of
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import RunOutcome, SweepTask
from adapt.scale.sweep.values import read_words
from tests.helpers.report_fixture import make_scores

WORDS = ("method.optim.lr=1e-4,3e-4,1e-3", "data.balance=none,sqrt", "seed=0..2")
SHIPPED = "ensemble"


def made_up_plan(words: Sequence[str] = WORDS, draw: int | None = None) -> SweepPlan:
    """A plan whose recipe is never loaded."""
    read = read_words(words)
    resolved = {"name": "pets", "seed": 0, "runtime": {"devices": 1}}
    runs = tuple(planned_runs(read, draw))
    return SweepPlan("pets.yaml", None, read, runs, resolved, draw)


def made_up_tasks(plan: SweepPlan, folder: Path) -> list[SweepTask]:
    """Its runs."""
    return [SweepTask(run.name, str(folder), plan.recipe, None, [], "") for run in plan.runs]


def write_scores(task: SweepTask, shifts: int = 2, **accuracy: float) -> dict[str, Any]:
    """Scores and times of a finished run, in which the shipped model has these accuracies."""
    scores = make_scores(shifts)
    scores["shipped"] = SHIPPED
    scores["opened"] = {"test": 1}
    scores["leak_free"] = {}
    for name, value in accuracy.items():
        scores["models"][SHIPPED][name]["accuracy"] = value
        scores["models"][SHIPPED][name]["accuracy_ci"] = [value - 0.02, value + 0.02]
    write_json(task.folder / "scores.json", scores)
    write_json(task.folder / "timing.json", {"format": 1, "fit": 312.4, "total": 401.2})
    return scores


def made_up_sweep(
    folder: Path,
    words: Sequence[str] = WORDS,
    failed: Mapping[str, str] | None = None,
    rank_by: str = "accuracy",
) -> dict[str, Any]:
    """The content of a sweep whose runs have random scores; some have failed."""
    plan, chance = made_up_plan(words), random.Random(4)
    tasks = made_up_tasks(plan, folder)
    outcomes = {}
    for task in tasks:
        if failed and task.name in failed:
            outcomes[task.name] = RunOutcome("failed", failed[task.name], 1.0)
            continue
        best = 0.1 if "3e-4" in task.name else 0.0
        val, test = (0.6 + best + chance.uniform(-0.01, 0.02) for _ in range(2))
        write_scores(task, val=val, test=test)
        outcomes[task.name] = RunOutcome("finished", "", 60.0)
    return content_of(plan, tasks, outcomes, rank_by)


class Told:
    """What a queue tells."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: dict[str, RunOutcome] = {}

    def __call__(self, task: SweepTask, outcome: RunOutcome | None) -> None:
        if outcome is None:
            self.begun.append(task.name)
        else:
            self.ended[task.name] = outcome


def until(true: Callable[[], bool]) -> None:
    """Wait; fail after two minutes."""
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@dataclass
class EndedRun:
    """A run that ended as soon as it was started."""

    task: SweepTask
    slot: int
    ended: RunOutcome

    def begun(self) -> bool:
        """It has."""
        return True

    def outcome(self) -> RunOutcome:
        """How it ended."""
        return self.ended

    def stop(self) -> None:
        """Nothing is left to stop."""


def engine_here(run: Callable[[SweepTask], RunOutcome]) -> Engine:
    """An engine that runs each task in this process, by a function."""

    @contextmanager
    def engine(options: SweepOptions, runtime: Mapping[str, Any]) -> Iterator[RunStarter]:
        def start(task: SweepTask, slot: int) -> EndedRun:
            outcome = run(task)
            outcome.write(task)
            return EndedRun(task, slot, outcome)

        yield RunStarter(options.at_once or 1, start)

    return engine
