"""Runs on Ray: what each gets, and what an actor that dies or a machine that is wrong means."""

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import MissingExtraError, RecipeError, RunError
from adapt.scale.sweep.engine import run_all
from adapt.scale.sweep.ray_queue import BETWEEN, RunActor, RunShare, on_ray, share_of
from adapt.scale.sweep.run import sweep
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import outcome_of
from tests.helpers.commands import start
from tests.helpers.sweeps import Told, until
from tests.scale.sweep.conftest import task_of

AUTO = {"accelerator": "auto", "devices": 1}
CPU = {"accelerator": "cpu", "devices": 1}


def chosen(
    machines: list[tuple[int, int]], runtime: dict[str, Any] = AUTO, **options: Any
) -> RunShare:
    """Of machines with so many processors and GPUs."""
    resources = [{"CPU": float(cpus), "GPU": float(gpus)} for cpus, gpus in machines]
    return share_of(SweepOptions(engine="ray", **options), runtime, resources)


def test_what_a_run_gets_if_nothing_is_said() -> None:
    assert chosen([(8, 0), (8, 0)]) == RunShare(8, 0.0, 2)
    assert chosen([(8, 0), (4, 0)]) == RunShare(4, 0.0, 3)
    assert chosen([(0, 0), (8, 0)]) == RunShare(8, 0.0, 1)
    assert chosen([(8, 0), (8, 0)], at_once=5) == RunShare(2, 0.0, 5)
    assert chosen([(16, 4), (64, 0)]) == RunShare(4, 1.0, 4)
    assert chosen([(16, 4)], CPU) == RunShare(16, 0.0, 1)
    assert chosen([(16, 4)], {**AUTO, "devices": 2}) == RunShare(8, 2.0, 2)
    assert chosen([(1, 4)]) == RunShare(1, 1.0, 1)


def test_what_a_run_gets_as_it_was_said() -> None:
    assert chosen([(8, 0), (8, 0)], cpus_per_run=3) == RunShare(3, 0.0, 4)
    assert chosen([(16, 2)], gpus_per_run=0.5) == RunShare(4, 0.5, 4)
    assert chosen([(16, 2)], gpus_per_run=0, cpus_per_run=4, at_once=2) == RunShare(4, 0.0, 2)


def test_what_there_is_no_room_for() -> None:
    with pytest.raises(RunError, match="9 processors and 0 GPUs, and the largest of 2 has 8 and 0"):
        chosen([(8, 0), (4, 0)], cpus_per_run=9)
    with pytest.raises(RunError, match="2 GPUs, and the largest of 1 has 8 and 1"):
        chosen([(8, 1)], gpus_per_run=2)
    with pytest.raises(RunError, match="no machine has room"):
        chosen([])
    with pytest.raises(RecipeError, match=r"given|1, and runtime\.devices is 2 - give 2"):
        chosen([(8, 2)], {**AUTO, "devices": 2}, gpus_per_run=1)


def test_threads_and_gpus_of_a_run() -> None:
    assert RunShare(3, 0.0, 1).environment({}) == {
        "OMP_NUM_THREADS": "3",
        "MKL_NUM_THREADS": "3",
        "OPENBLAS_NUM_THREADS": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    assert "CUDA_VISIBLE_DEVICES" not in RunShare(3, 0.5, 1).environment({})


@pytest.mark.parametrize(("code", "expected"), [("exit 7", 7), ("kill -KILL $$", -9)])
def test_the_process_between_ends_as_its_child(code: str, expected: int) -> None:
    command = [sys.executable, "-S", "-c", BETWEEN, "/bin/sh", "-c", code]
    assert subprocess.run(command, check=False).returncode == expected


@pytest.mark.usefixtures("stand_in")
def test_an_actor_without_ray(tmp_path: Path) -> None:
    from adapt.scale.sweep import queue

    actor = RunActor()
    actor.stop()  # nothing to stop
    task = task_of(tmp_path, "a", "until_stopped")
    lost = replace(task, directory=str(tmp_path / "nowhere"))
    assert re.search(r"nowhere - not there on .*, a machine of this Ray - ",
                     actor.start(lost.to_line(), {}, queue.ARGUMENTS))  # fmt: skip
    assert actor.start(task.to_line(), {"OMP_NUM_THREADS": "5"}, queue.ARGUMENTS) == ""
    until((task.folder / "waits").exists)
    threading.Thread(target=actor.stop).start()
    assert actor.wait()["state"] == "stopped"
    assert (tmp_path / "order.txt").read_text() == "a 5\n"


def test_an_actor_loads_neither_torch_nor_ray() -> None:
    """It lives as long as its run, beside it."""
    code = "import sys, adapt.scale.sweep.ray_queue; print({'torch', 'ray'} & sys.modules.keys())"
    assert start(code=code).communicate()[0] == "set()\n"


@pytest.mark.slow
@pytest.mark.usefixtures("stand_in", "ray")
def test_an_actor_that_is_killed_is_a_failure_and_its_run_stops_in_order(tmp_path: Path) -> None:
    tasks = [task_of(tmp_path, "a", "until_stopped"), task_of(tmp_path, "b", "finish")]
    waits, told = tasks[0].folder / "waits", Told()

    def kill() -> None:
        until(lambda: waits.exists() and bool(waits.read_text()))
        until(lambda: "a" in told.begun)
        between = Path("/proc", waits.read_text(), "status").read_text()
        os.kill(int(re.findall(r"PPid:\s*(\d+)", between)[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with on_ray(SweepOptions(engine="ray", at_once=1), CPU) as starter:
        run_all(tasks, starter, told)
    killer.join()
    assert told.ended["a"].state == "failed"
    assert told.ended["a"].reason.startswith("the process of Ray that kept it has died: ")
    assert outcome_of(tasks[0]) == told.ended["a"]
    assert told.ended["b"].state == "finished"
    until((tasks[0].folder / "saved").exists)


@pytest.mark.slow
@pytest.mark.usefixtures("stand_in", "ray")
def test_a_machine_that_does_not_share_the_folder(tmp_path: Path) -> None:
    task = replace(task_of(tmp_path, "a", "finish"), directory=str(tmp_path / "nowhere"))
    told = Told()
    with (
        on_ray(SweepOptions(engine="ray"), CPU) as starter,
        pytest.raises(RunError, match=r"nowhere - not there on .* or --engine local"),
    ):
        run_all([task], starter, told)
    assert told.begun == []
    assert outcome_of(task).state == "waiting"


def test_without_ray(small_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'adapt-clip\[ray\]'"):
        sweep(small_recipe, {"seed": [0, 1]}, tmp_path / "out", options=SweepOptions(engine="ray"))
    assert not (tmp_path / "out").exists()
