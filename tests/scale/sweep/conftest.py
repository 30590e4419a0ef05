"""Sweeps whose runs are stand-ins, so that a process costs a tenth of a second; both engines."""

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
    (run / "waits").write_text(str(os.getppid()))
    while os.read(0, 1):
        pass
    (run / "saved").write_text("")
    os._exit(130)
"""

RECIPE = """
version: 1
name: small
model: {{arch: adapt-icons-xs, pretrained: embedded}}
data:
  train: {{kind: folder, root: {root}/train}}
  val: {{kind: folder, root: {root}/val}}
method: {{name: linear_probe}}
ensemble: {{alphas: 3}}
evals: {{test: {{kind: folder, root: {root}/test}}}}
report: {{formats: [], curve: none}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Processes of runs do what the recipe of their task is called."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(queue, "ARGUMENTS", ("-S", str(script)))
    for name in queue.THREADS:
        monkeypatch.delenv(name, raising=False)


def task_of(folder: Path, name: str, recipe: str) -> SweepTask:
    """A task that a stand-in understands."""
    return SweepTask(name, str(folder), recipe, None, [], "")


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each engine, where what it needs is installed."""
    name = str(request.param)
    if name == "ray":
        request.getfixturevalue("ray")
    return name


@pytest.fixture
def small_recipe(tmp_path: Path, toy_root: Path) -> Path:
    """A linear probe of drawings, whose model every process can build."""
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE.format(root=toy_root))
    return path
