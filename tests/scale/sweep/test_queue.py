"""The local queue: order, failures, several at once, stopping."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapt.common.signals import for_a_command
from adapt.scale.sweep import queue
from adapt.scale.sweep.queue import run_local, shared_environment
from adapt.scale.sweep.task import RunOutcome, SweepTask, outcome_of
from tests.helpers.commands import start
from tests.scale.sweep.conftest import task_of


def until(true: Callable[[], bool]) -> None:
    """Wait; fail after two minutes."""
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


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


@pytest.mark.usefixtures("stand_in")
def test_a_failure_does_not_stop_the_others(tmp_path: Path) -> None:
    what = {"a": "finish", "b": "fail", "c": "die", "d": "silent", "e": "finish"}
    tasks = [task_of(tmp_path, name, recipe) for name, recipe in what.items()]
    told = Told()
    (tmp_path / "here").mkdir()
    tasks = [replace(task, directory=str(tmp_path / "here")) for task in tasks]
    run_local(tasks, 1, told)
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
def test_two_at_once_share_the_processors(tmp_path: Path) -> None:
    """Each of the first two waits until the other has begun: in turns, none would end."""
    tasks = [task_of(tmp_path, name, "meet") for name in "ab"] + [task_of(tmp_path, "c", "finish")]
    told = Told()
    run_local(tasks, 2, told)
    assert {outcome.state for outcome in told.ended.values()} == {"finished"}
    lines = (tmp_path / "order.txt").read_text().splitlines()
    share = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert [line.split()[1] for line in lines] == [share] * 3


@pytest.mark.usefixtures("stand_in")
def test_a_signal_stops_in_order(tmp_path: Path) -> None:
    """Runs are asked to stop and waited for; what is finished stays, the rest does not begin."""
    what = {"a": "finish", "b": "until_stopped", "c": "until_stopped", "d": "finish"}
    tasks = [task_of(tmp_path, name, recipe) for name, recipe in what.items()]
    told = Told()

    def signal_when_both_wait() -> None:
        until(lambda: all((tmp_path / "runs" / name / "waits").exists() for name in "bc"))
        os.kill(os.getpid(), signal.SIGTERM)

    with for_a_command():
        threading.Thread(target=signal_when_both_wait).start()
        with pytest.raises(KeyboardInterrupt):
            run_local(tasks, 2, told)
    assert {name: outcome.state for name, outcome in told.ended.items()} == {
        "a": "finished", "b": "stopped", "c": "stopped",
    }  # fmt: skip
    assert all((tmp_path / "runs" / name / "saved").exists() for name in "bc")
    assert [outcome_of(task).state for task in tasks] == [
        "finished", "stopped", "stopped", "waiting",
    ]  # fmt: skip


@pytest.mark.usefixtures("stand_in")
def test_runs_stop_in_order_when_the_sweep_is_killed(tmp_path: Path) -> None:
    task = task_of(tmp_path, "a", "until_stopped")
    code = (
        "from adapt.scale.sweep import queue, task\n"
        f"queue.COMMAND = {queue.COMMAND!r}\n"
        f"queue.run_local([task.SweepTask.from_line({task.to_line()!r})], 1, print)"
    )
    sweep = start(code=code)
    until((task.folder / "waits").exists)
    sweep.kill()
    sweep.communicate()
    until((task.folder / "saved").exists)
    assert outcome_of(task).state == "stopped"


@pytest.mark.parametrize(
    ("slot", "at_once", "devices", "expected"),
    [
        (0, 1, ["0", "1"], {}),
        (0, 3, [], dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2")),
        (2, 3, ["4", "5"], {"CUDA_VISIBLE_DEVICES": "4", "MKL_NUM_THREADS": "2"}),
        (1, 20, ["7"], {"OMP_NUM_THREADS": "1"}),
    ],
)
def test_what_a_run_that_shares_the_machine_finds(
    slot: int, at_once: int, devices: list[str], expected: dict[str, str]
) -> None:
    given = shared_environment(slot, at_once, 8, devices, {})
    assert expected.items() <= given.items()
    assert ("CUDA_VISIBLE_DEVICES" in given) == (len(devices) > 1 and at_once > 1)
    assert shared_environment(0, 2, 8, [], {"OMP_NUM_THREADS": "8"}).get("OMP_NUM_THREADS") is None
