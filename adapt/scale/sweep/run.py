"""A sweep from its words to its page: plan, check, run what is left, compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adapt.common.files import write_json
from adapt.common.progress import lines_unless, time_text, told
from adapt.common.typed import resolve_path
from adapt.common.words import plural
from adapt.errors import Interrupted
from adapt.report.record.words import percent
from adapt.report.sweep import write_pages
from adapt.runs.folder.lock import FolderKind, run_folder
from adapt.runs.folder.log import teller
from adapt.scale.ray_session import import_ray
from adapt.scale.settings import LOCAL, RAY
from adapt.scale.sweep.engine import Engine, run_all
from adapt.scale.sweep.plan import FILE, SweepPlan, check_same, make_plan, read_content
from adapt.scale.sweep.queue import on_this_machine
from adapt.scale.sweep.ray_queue import on_ray
from adapt.scale.sweep.results import content_of, run_row, write_results
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import (
    FAILED,
    FINISHED,
    STOPPED,
    RunOutcome,
    SweepTask,
    digest_of,
    outcome_of,
)
from adapt.scale.sweep.values import SweepWords, from_values

ENGINES: dict[str, Engine] = {LOCAL: on_this_machine, RAY: on_ray}
SWEEP = FolderKind("sweep folder", "an earlier sweep", (FILE,), "--out")


@dataclass
class SweepResult:
    """What a sweep came to."""

    folder: Path
    content: dict[str, Any] = field(repr=False)
    """The content of `sweep.json`."""
    pages: list[Path] = field(default_factory=list)
    """`sweep.html` and `sweep.md`."""

    @property
    def best(self) -> dict[str, Any] | None:
        """The setting that is best on val: its values, numbers and runs; None if none finished."""
        first = self.content["settings"][0]
        return first if first["finished"] else None

    @property
    def failed(self) -> dict[str, str]:
        """Why runs have failed, by their names."""
        return self._reasons(FAILED)

    @property
    def stopped(self) -> dict[str, str]:
        """Runs that something else than the sweep has stopped; the same call goes on with them."""
        return self._reasons(STOPPED)

    def _reasons(self, state: str) -> dict[str, str]:
        return {row["name"]: row["reason"] for row in self.content["runs"] if row["state"] == state}


def sweep(
    recipe: str | Path,
    values: Mapping[str, Sequence[Any]] | SweepWords,
    out: str | Path,
    overrides: Sequence[str] = (),
    photos: str | Path | None = None,
    options: SweepOptions | None = None,
    quiet: bool = True,
) -> SweepResult:
    """Run a recipe with every combination of values, and compare what comes of it.

    The same call again goes on: finished runs are kept, interrupted ones continue, and runs that
    have failed are tried again if the options say so. A run that fails does not stop the others.
    Settings are ranked on val; test sets are scored and shown, as in every run, and decide nothing.

    Args:
        recipe: Name of a shipped recipe, or path.
        values: The values of each key of the recipe; several values of `seed` are repetitions.
        out: Folder of the sweep, with one ordinary run folder for each run in `runs/`.
        overrides: `key.path=value` texts, the same in every run.
        photos: Folder, table, archive or pattern of shards to train on in place of the recipe's.
        options: Engine, runs at once, draw, measure.
        quiet: Write nothing to standard error.

    Raises:
        RecipeError: Before anything runs: a combination cannot be loaded, or the folder holds
            another sweep.
        MissingExtraError: Before anything runs: the engine needs Ray, which is not installed.
        RunError: When the folder is in use or cannot be written, or Ray has no room for the runs.
        Interrupted: After Ctrl-C or SIGTERM, when all runs have saved and ended.

    Example:
        >>> values = {"method.optim.lr": [1e-4, 3e-4], "seed": [0, 1, 2]}
        >>> done = sweep("quickstart", values, "lr")  # doctest: +SKIP
        >>> done.best["settings"]  # doctest: +SKIP
        {'method.optim.lr': 0.0003}
    """
    chosen = options or SweepOptions()
    rank_by, engine = chosen.measure, _engine(chosen.engine)
    folder = resolve_path(out)
    words = (
        replace(values, overrides=(*values.overrides, *overrides))
        if isinstance(values, SweepWords)
        else from_values(values, overrides)
    )
    with lines_unless(quiet):
        before = read_content(folder)
        plan = make_plan(str(recipe), _text(photos), words, chosen.random, chosen.seed)
        if before is not None:
            check_same(folder, before["plan"], plan)
        with run_folder(folder, before is not None, overwrite=False, kind=SWEEP):
            tasks = tasks_of(plan, folder)
            outcomes = {task.name: outcome_of(task) for task in tasks}
            if before is None:
                content = content_of(plan, tasks, outcomes, rank_by)
                write_json(folder / FILE, content)  # first of all: it says whose folder this is
            left = [task for task in tasks if _is_left(outcomes[task.name], chosen.retry_failed)]
            say = teller(folder, quiet)
            _say_what_is_left(tasks, left, outcomes, say)
            watch = Watch(folder, plan, tasks, outcomes, rank_by, len(left), say)
            try:
                if left:
                    with engine(chosen, plan.resolved["runtime"]) as starter:
                        run_all(left, starter, watch)
            except KeyboardInterrupt as error:
                watch.finish()
                done = sum(one.state == FINISHED for one in outcomes.values())
                sentence = f"{done} of {plural(len(tasks), 'run')} finished, what began is saved"
                raise Interrupted(sentence, folder) from error
            return watch.finish()


def _engine(name: str) -> Engine:
    if name == RAY:
        import_ray()  # a package that is missing is noticed before anything is written
    return ENGINES[name]


def _text(photos: str | Path | None) -> str | None:
    return None if photos is None else str(photos)


def tasks_of(plan: SweepPlan, folder: Path) -> list[SweepTask]:
    """The runs of a plan as their processes get them."""
    return [
        SweepTask(
            run.name,
            str(folder.resolve()),
            plan.recipe,
            plan.photos,
            plan.overrides_of(run),
            digest_of(plan.load(run).resolved),
            str(Path.cwd()),
        )
        for run in plan.runs
    ]


def _is_left(outcome: RunOutcome, retry_failed: bool) -> bool:
    return outcome.state != FINISHED and (outcome.state != FAILED or retry_failed)


def _say_what_is_left(
    tasks: Sequence[SweepTask],
    left: Sequence[SweepTask],
    outcomes: Mapping[str, RunOutcome],
    say: Callable[[str], None],
) -> None:
    states = [outcomes[task.name].state for task in tasks]
    kept = [f"{states.count(FINISHED)} finished earlier"] if FINISHED in states else []
    going_on = sum(outcomes[task.name].state == STOPPED for task in left)
    kept += [f"{going_on} to go on with"] if going_on else []
    if not_tried := states.count(FAILED) - sum(outcomes[t.name].state == FAILED for t in left):
        kept.append(f"{not_tried} failed earlier; --retry-failed tries them again")
    say(f"{plural(len(tasks), 'run')}" + (f": {', '.join(kept)}" if kept else ""))


@dataclass
class Watch:
    """Follows the runs: says what begins and ends, and keeps `sweep.json` up to date."""

    folder: Path
    plan: SweepPlan
    tasks: Sequence[SweepTask]
    outcomes: dict[str, RunOutcome]
    rank_by: str
    total: int
    say: Callable[[str], None]
    done: int = 0
    begun: frozenset[str] = frozenset()
    """Runs that have something to go on with, seen before any of them goes on."""

    def __post_init__(self) -> None:
        self.begun = frozenset(task.name for task in self.tasks if task.begun)

    def __call__(self, task: SweepTask, outcome: RunOutcome | None) -> None:
        """A run begins, or has ended in this way."""
        tell = told()
        if outcome is None:
            self.say(f"{task.name}: {'goes on' if task.name in self.begun else 'begins'}")
            if tell is not None and not self.done:
                tell("runs", 0, self.total)
            return
        self.outcomes[task.name] = outcome
        if outcome.state == STOPPED:
            self.say(f"{task.name}: {self._ending(task, outcome)}")
        else:
            self.done += 1
            self.say(f"{task.name}: {self._ending(task, outcome)} ({self.done} of {self.total})")
        if tell is not None:
            tell("runs", self.done, self.total)
        self._write()

    def _ending(self, task: SweepTask, outcome: RunOutcome) -> str:
        if outcome.state != FINISHED:
            return f"{outcome.state}: {outcome.reason}" if outcome.reason else outcome.state
        row = run_row(task, outcome, self.rank_by)
        return (
            f"finished, val {percent(row['val'])}, test {percent(row['test'])}, "
            f"{time_text(outcome.seconds)}"
        )

    def _write(self) -> dict[str, Any]:
        content = content_of(self.plan, self.tasks, self.outcomes, self.rank_by)
        write_results(self.folder, content)
        return content

    def finish(self) -> SweepResult:
        """Write everything, the pages too."""
        content = self._write()
        return SweepResult(self.folder, content, write_pages(self.folder, content))
