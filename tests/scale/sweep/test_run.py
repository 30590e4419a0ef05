"""Whole sweeps, their runs in this process: what is run, kept, tried again and refused."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from adapt.errors import Interrupted, RecipeError
from adapt.scale.sweep import engine as engine_module
from adapt.scale.sweep import run
from adapt.scale.sweep.process import attempt
from adapt.scale.sweep.run import SweepResult, sweep
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import RunOutcome, SweepTask
from tests.helpers.commands import start
from tests.helpers.sweeps import engine_here
from tests.helpers.tiny import VIT

RECIPE = """
version: 1
name: tiny
model: {{arch: {arch}, pretrained: random}}
data:
  train: {{kind: folder, root: {root}/train}}
  val: {{kind: folder, root: {root}/val}}
method: {{name: linear_probe}}
ensemble: {{alphas: 3}}
evals: {{test: {{kind: folder, root: {root}/test}}}}
report: {{formats: [], curve: none}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""
VALUES: dict[str, list[Any]] = {"method.C": [0.01, 10.0], "seed": [0, 1]}


class InThisProcess:
    """Real runs, unless told otherwise; a list of what was given."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.failing: set[str] = set()
        self.stopping: set[str] = set()

    def __call__(self, task: SweepTask) -> RunOutcome:
        self.given.append(task.name)
        if task.name in self.stopping:
            raise KeyboardInterrupt
        if task.name in self.failing:
            return RunOutcome("failed", "no luck", 1.0)
        return attempt(task)[0]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> InThisProcess:
    """In place of processes."""
    made = InThisProcess()
    monkeypatch.setattr(engine_module, "PAUSE", 0.0)
    monkeypatch.setitem(run.ENGINES, "local", engine_here(made))
    return made


@pytest.fixture
def recipe(tmp_path: Path, toy_root: Path) -> Path:
    """A linear probe of drawings."""
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(arch=VIT, root=toy_root))
    return path


def test_a_sweep_from_its_runs_to_its_page(
    engine: InThisProcess, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    engine.failing = {"C-10.0_seed-0"}
    engine.stopping = {"C-10.0_seed-1"}
    with pytest.raises(Interrupted, match="2 of 4 runs finished"):
        sweep(recipe, VALUES, out)
    content = json.loads((out / "sweep.json").read_text())
    assert [row["state"] for row in content["runs"]] == [
        "finished", "finished", "failed", "waiting",
    ]  # fmt: skip
    assert (out / "sweep.html").is_file()
    stamps = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*")}

    engine.given, engine.stopping = [], set()
    done = sweep(recipe, VALUES, out, quiet=False)
    assert engine.given == ["C-10.0_seed-1"]
    assert "2 finished earlier, 1 failed earlier; --retry-failed" in capsys.readouterr().err
    assert done.failed == {"C-10.0_seed-0": "no luck"}
    assert "no luck" in (out / "sweep.html").read_text()
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())

    engine.given, engine.failing = [], set()
    done = sweep(recipe, VALUES, out, options=SweepOptions(retry_failed=True))
    assert engine.given == ["C-10.0_seed-0"]
    assert not done.failed
    assert not done.stopped
    check_numbers(done)
    engine.given = []
    assert sweep(recipe, VALUES, out).content == done.content
    assert engine.given == []


def check_numbers(done: SweepResult) -> None:
    """What the sweep says is what the runs' own files say."""
    val: dict[float, list[float]] = {}
    for c in (0.01, 10.0):
        for seed in (0, 1):
            folder = done.folder / "runs" / f"C-{c}_seed-{seed}"
            scores = json.loads((folder / "scores.json").read_text())
            assert scores["seed"] == seed
            assert len(json.loads((folder / "ledger.json").read_text())["openings"]) == 1
            val.setdefault(c, []).append(scores["models"][scores["shipped"]]["val"]["accuracy"])
    best = max(val, key=lambda c: float(np.mean(val[c])))
    assert done.best is not None
    assert done.best["settings"] == {"method.C": best}
    for entry in done.content["settings"]:
        own = val[entry["settings"]["method.C"]]
        assert entry["val"]["mean"] == pytest.approx(np.mean(own))
        assert (entry["val"]["low"], entry["val"]["high"]) == (min(own), max(own))
    assert done.content["openings"] == 4


def test_a_run_whose_recipe_has_changed_fails_alone(
    engine: InThisProcess, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file may be edited while runs wait; those that come later would be another sweep."""
    first = attempt
    edited = recipe.read_text().replace("alphas: 3", "alphas: 5")

    def edit_after_the_first(task: SweepTask) -> tuple[RunOutcome, int]:
        ended = first(task)
        recipe.write_text(edited)
        return ended

    monkeypatch.setattr("tests.scale.sweep.test_run.attempt", edit_after_the_first)
    done = sweep(recipe, {"method.C": [0.01, 10.0]}, tmp_path / "out")
    assert list(done.failed) == ["C-10.0"]
    assert "has changed since the sweep began" in done.failed["C-10.0"]
    with pytest.raises(RecipeError, match=r"ensemble\.alphas was 3, is 5"):
        sweep(recipe, {"method.C": [0.01, 10.0]}, tmp_path / "out")


def test_what_is_refused_before_the_first_run(
    engine: InThisProcess, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(RecipeError, match=r"method\.C - wrong type"):
        sweep(recipe, {"method.C": [1.0, "x", 2.0]}, out)
    assert not out.exists()
    out.mkdir()
    (out / "photo.png").touch()
    with pytest.raises(RecipeError, match="not a sweep folder - it holds other files"):
        sweep(recipe, VALUES, out)
    assert engine.given == []


KILLED = """
version: 1
name: killed
model: {{arch: adapt-icons-xs, pretrained: embedded}}
data:
  train: {{kind: folder, root: {root}/train}}
  val: {{kind: folder, root: {root}/val}}
method: {{name: full, optim: {{lr: 1.0e-4, epochs: 2, batch_size: 8}}}}
ensemble: {{alphas: 3, rule: val}}
ship: [mixed]
evals: {{test: {{kind: folder, root: {root}/test}}}}
report: {{formats: [], curve: none}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on(tmp_path: Path, toy_root: Path) -> None:
    """SIGKILL while the second run trains: it stops by itself; the rest is as if nothing were."""
    recipe = tmp_path / "killed.yaml"
    recipe.write_text(KILLED.format(root=toy_root))
    words = ["sweep", recipe, "method.optim.lr=1e-4,1e-3", "--out"]
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    killed = start(*words, cut)
    second = cut / "runs" / "lr-1e-3"
    _until(lambda: (second / "recipe.yaml").exists())
    killed.kill()
    killed.communicate()
    first = (cut / "outcomes" / "lr-1e-4.json").read_text()
    with FileLock(second / ".lock", timeout=120):  # its process has saved and ended
        pass
    done = start(*words, cut)
    _, told = done.communicate()
    assert done.returncode == 0, told
    assert "1 finished earlier, 1 to go on with" in told
    assert "lr-1e-3: goes on" in told
    assert (cut / "outcomes" / "lr-1e-4.json").read_text() == first
    other = start(*words, whole)
    other.communicate()
    assert other.returncode == 0
    for name in ("lr-1e-4", "lr-1e-3"):
        texts = [
            (folder / "runs" / name / "scores.json").read_text().replace(str(folder), "")
            for folder in (cut, whole)
        ]
        scores = [json.loads(text) for text in texts]
        assert scores[0]["models"] == scores[1]["models"]


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
