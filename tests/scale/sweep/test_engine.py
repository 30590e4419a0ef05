"""What every engine must do: order, failures, several at once, stopping, the same results."""

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapt.common.signals import for_a_command
from adapt.errors import Interrupted, RunError
from adapt.scale.sweep import queue
from adapt.scale.sweep.engine import RunStarter, run_all
from adapt.scale.sweep.run import ENGINES, sweep
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import RunOutcome, SweepTask, outcome_of
from tests.helpers.commands import start
from tests.helpers.sweeps import Told, until
from tests.scale.sweep.conftest import task_of

RUNTIME = {"accelerator": "cpu", "devices": 1}


def run_with(engine: str, tasks: list[SweepTask], at_once: int, told: Told) -> None:
    """All tasks, by an engine."""
    with ENGINES[engine](SweepOptions(engine=engine, at_once=at_once), RUNTIME) as starter:
        run_all(tasks, starter, told)


@pytest.mark.usefixtures("stand_in")
def test_a_failure_does_not_stop_the_others(engine_name: str, tmp_path: Path) -> None:
    what = {"a": "finish", "b": "fail", "c": "die", "d": "silent", "e": "finish"}
    tasks = [task_of(tmp_path, name, recipe) for name, recipe in what.items()]
    told = Told()
    (tmp_path / "here").mkdir()
    tasks = [replace(task, directory=str(tmp_path / "here")) for task in tasks]
    run_with(engine_name, tasks, 1, told)
    assert told.begun == list(told.ended) == list("abcde")
    assert [told.ended[name].state for name in "abcde"] == [
        "finished", "failed", "failed", "failed", "finished",
    ]  # fmt: skip
    assert told.ended["b"].reason == "no luck"
    assert told.ended["c"].reason.startswith("the process was killed (SIGKILL)")
    assert told.ended["d"].reason == "the process ended with exit code 3 and said nothing"
    for task in tasks:
        assert outcome_of(task).state == told.ended[task.name].state
        assert task.log.read_text() == f"says {task.name} in {tmp_path / 'here'}\n"


@pytest.mark.usefixtures("stand_in")
def test_two_at_once_share_the_processors(engine_name: str, tmp_path: Path) -> None:
    """Each of the first two waits until the other has begun: in turns, none would end."""
    tasks = [task_of(tmp_path, name, "meet") for name in "ab"] + [task_of(tmp_path, "c", "finish")]
    told = Told()
    run_with(engine_name, tasks, 2, told)
    assert {outcome.state for outcome in told.ended.values()} == {"finished"}
    lines = (tmp_path / "order.txt").read_text().splitlines()
    cores = {"local": len(os.sched_getaffinity(0)), "ray": 2}[engine_name]
    assert [line.split()[1] for line in lines] == [str(max(1, cores // 2))] * 3


@pytest.mark.usefixtures("stand_in")
def test_a_signal_stops_in_order(engine_name: str, tmp_path: Path) -> None:
    """Runs are asked to stop and waited for; what is finished stays, the rest does not begin."""
    what = {"a": "finish", "b": "until_stopped", "c": "until_stopped", "d": "finish"}
    tasks = [task_of(tmp_path, name, recipe) for name, recipe in what.items()]
    told = Told()

    def signal_when_both_wait() -> None:
        until(lambda: {"b", "c"} <= set(told.begun))
        until(lambda: all((tmp_path / "runs" / name / "waits").exists() for name in "bc"))
        os.kill(os.getpid(), signal.SIGTERM)

    with for_a_command():
        threading.Thread(target=signal_when_both_wait).start()
        with pytest.raises(KeyboardInterrupt):
            run_with(engine_name, tasks, 2, told)
    assert {name: outcome.state for name, outcome in told.ended.items()} == {
        "a": "finished", "b": "stopped", "c": "stopped",
    }  # fmt: skip
    assert all((tmp_path / "runs" / name / "saved").exists() for name in "bc")
    assert [outcome_of(task).state for task in tasks] == [
        "finished", "stopped", "stopped", "waiting",
    ]  # fmt: skip


@pytest.mark.usefixtures("stand_in")
def test_runs_stop_in_order_when_the_sweep_is_killed(engine_name: str, tmp_path: Path) -> None:
    task = task_of(tmp_path, "a", "until_stopped")
    code = (
        "from adapt.scale.sweep import engine, queue, run, settings, task\n"
        f"queue.ARGUMENTS = {queue.ARGUMENTS!r}\n"
        f"tasks = [task.SweepTask.from_line({task.to_line()!r})]\n"
        f"options = settings.SweepOptions(engine={engine_name!r})\n"
        f"with run.ENGINES[{engine_name!r}](options, {RUNTIME!r}) as starter:\n"
        "    engine.run_all(tasks, starter, print)"
    )
    killed = start(code=code)
    until((task.folder / "waits").exists)
    killed.kill()
    killed.communicate()
    until((task.folder / "saved").exists)
    assert outcome_of(task).state == "stopped"


class Slow:
    """A run that has to wait for its machine, and never ends by itself."""

    def __init__(self, task: SweepTask, slot: int) -> None:
        self.task, self.slot = task, slot
        self.stopped = False

    def begun(self) -> bool:
        """Only the first gets a machine, the third is wrong."""
        if self.task.name == "c":
            raise RunError("no machine")
        return self.task.name == "a"

    def outcome(self) -> RunOutcome | None:
        """Stopped when it was asked to."""
        return RunOutcome("stopped") if self.stopped else None

    def stop(self) -> None:
        """Takes no time."""
        self.stopped = True


def test_only_what_has_begun_is_said_to_end(tmp_path: Path) -> None:
    told, started = Told(), list[Slow]()

    def begin(task: SweepTask, slot: int) -> Slow:
        started.append(Slow(task, slot))
        if task.name == "b":
            raise KeyboardInterrupt
        return started[-1]

    tasks = [task_of(tmp_path, name, "x") for name in "ab"]
    with pytest.raises(KeyboardInterrupt):
        run_all([tasks[0], task_of(tmp_path, "d", "x"), tasks[1]], RunStarter(3, begin), told)
    assert [one.slot for one in started] == [0, 1, 2]
    assert started[0].stopped
    assert started[1].stopped
    assert (told.begun, list(told.ended)) == (["a"], ["a"])


def test_an_engine_that_cannot_go_on_stops_its_runs(tmp_path: Path) -> None:
    started, told = list[Slow](), Told()

    def begin(task: SweepTask, slot: int) -> Slow:
        started.append(Slow(task, slot))
        return started[-1]

    tasks = [task_of(tmp_path, name, "x") for name in "ac"]
    with pytest.raises(RunError, match="no machine"):
        run_all(tasks, RunStarter(2, begin), told)
    assert all(one.stopped for one in started)


@pytest.mark.slow
def test_the_same_results(
    engine_name: str, small_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of real runs in processes: what files say is equal, apart from times and places."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    values: dict[str, list[Any]] = {"method.C": [0.01, 10.0], "seed": [0, 1]}
    out, direct = tmp_path / "out", tmp_path / "direct"
    done = sweep(small_recipe, values, out, options=SweepOptions(engine=engine_name))
    other = sweep(small_recipe, values, direct)
    assert not done.failed
    assert _told(done.content) == _told(other.content)
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert names == {str(path.relative_to(direct)) for path in direct.rglob("*") if path.is_file()}
    for run in (out / "runs").iterdir():
        texts = [
            (folder / "runs" / run.name / "scores.json").read_text().replace(str(folder), "")
            for folder in (out, direct)
        ]
        assert texts[0] == texts[1]
    again = sweep(small_recipe, values, out, options=SweepOptions(engine=engine_name))
    assert again.content == done.content


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(("first", "then"), [("local", "ray"), ("ray", "local")])
def test_an_engine_goes_on_with_what_another_began(
    first: str, then: str, small_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real runs: the first is finished, the second stopped in the middle, two have not begun."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    values: dict[str, list[Any]] = {"method.C": [0.01, 10.0], "seed": [0, 1]}
    out, direct = tmp_path / "out", tmp_path / "direct"

    def signal_when_the_second_runs() -> None:
        while len(list((out / "runs").glob("*/log.txt"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    with for_a_command():
        threading.Thread(target=signal_when_the_second_runs, daemon=True).start()
        with pytest.raises(Interrupted, match="1 of 4 runs finished"):
            sweep(small_recipe, values, out, options=SweepOptions(engine=first, at_once=1))
    [finished] = (out / "runs").glob("*/scores.json")
    written = finished.stat().st_mtime_ns
    done = sweep(small_recipe, values, out, options=SweepOptions(engine=then))
    assert finished.stat().st_mtime_ns == written
    assert _told(done.content) == _told(sweep(small_recipe, values, direct).content)


def _told(content: dict[str, Any]) -> Any:
    """Without times."""
    timeless = {"seconds"}
    return json.loads(
        json.dumps(content),
        object_hook=lambda pairs: {name: pairs[name] for name in pairs.keys() - timeless},
    )
