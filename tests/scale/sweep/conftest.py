"""Sweeps whose runs are stand-ins, so that a process costs a tenth of a second."""

import sys
from pathlib import Path

import pytest

from adapt.scale.sweep import queue
from adapt.scale.sweep.task import SweepTask

STAND_IN = r"""
import json, os, pathlib, signal, sys, threading, time
task = json.loads(sys.stdin.buffer.raw.readline())
sweep, name = pathlib.Path(task["sweep"]), task["name"]
print("says", name, "in", os.getcwd(), flush=True)
def end(state, reason="", code=0):
    (sweep / "outcomes").mkdir(exist_ok=True)
    (sweep / "outcomes" / (name + ".json")).write_text(
        json.dumps({"state": state, "reason": reason, "seconds": 1.0}))
    os._exit(code)
run = sweep / "runs" / name
run.mkdir(parents=True, exist_ok=True)
(run / "recipe.yaml").write_text("")
with (sweep / "order.txt").open("a") as file:
    file.write(f"{name} {os.environ.get('OMP_NUM_THREADS')}\n")
what = task["recipe"]
if what == "finish":
    (run / "scores.json").write_text("{}")
    end("finished")
if what == "fail":
    end("failed", "no luck", 5)
if what == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "silent":
    os._exit(3)
if what == "meet":  # wait until the other has begun
    while len((sweep / "order.txt").read_text().splitlines()) < 2:
        time.sleep(0.01)
    (run / "scores.json").write_text("{}")
    end("finished")
if what == "until_stopped":
    (run / "waits").write_text("")
    while os.read(0, 1):
        pass
    (run / "saved").write_text("")
    os._exit(130)
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Processes of runs do what the recipe of their task is called."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(queue, "COMMAND", (sys.executable, "-S", str(script)))
    for name in queue.THREADS:
        monkeypatch.delenv(name, raising=False)


def task_of(folder: Path, name: str, recipe: str) -> SweepTask:
    """A task that a stand-in understands."""
    return SweepTask(name, str(folder), recipe, None, [], "")
