"""How runs end: rows F32 to F44 of the table of faults."""

import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pytorch_lightning.loggers import Logger

from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.runs.run import run
from adapt.training.context import Context
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim
from adapt.training.trainer import loggers
from adapt.training.trainer.checkpoints import LAST, PREVIOUS
from tests.helpers.commands import call, start
from tests.helpers.tiny import VIT, bit_equal, draw_folder, weights
from tests.helpers.training import fit

RECIPE = """
version: 1
name: endings
model: {{arch: {arch}, pretrained: random}}
data: {{train: {{kind: folder, root: {root}}}, val: {{from: train, fraction: 0.3}}}}
method: {{name: full, optim: {{lr: 1.0e-3, epochs: {epochs}, batch_size: 4, ema: 0.5}}}}
ensemble: {{alphas: 3, rule: val}}
evals: {{test: {{kind: folder, root: {root}/../test}}}}
report: {{formats: []}}
runtime: {{accelerator: cpu, precision: "32", workers: "0", checkpoint_minutes: 0}}
"""
COUNTS = dict.fromkeys(("blue_square", "green_cross", "red_circle"), 6)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of two epochs of four steps."""
    folder = tmp_path_factory.mktemp("endings")
    for seed, name in enumerate(("train", "test")):
        draw_folder(folder / name, COUNTS, seed)
    path = folder / "endings.yaml"
    path.write_text(RECIPE.format(arch=VIT, root=folder / "train", epochs=2))
    return path


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    return run(recipe, [], tmp_path_factory.mktemp("runs") / "whole").folder


@pytest.fixture
def again(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def scores(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "scores.json").read_text())
    return {name: content[name] for name in ("models", "alpha", "temperature")}


def signal_in(step: int, number: int, patch: pytest.MonkeyPatch) -> list[int]:
    """Send a signal to this process in a training step; returns the steps that were begun."""
    original, steps = AdaptModule.training_step, list[int]()

    def training_step(self: AdaptModule, *given: Any) -> Any:
        steps.append(len(steps) + 1)
        if len(steps) == step:
            os.kill(os.getpid(), number)
        return original(self, *given)

    patch.setattr(AdaptModule, "training_step", training_step)
    return steps


@pytest.mark.parametrize(("step", "number"), [
    (2, signal.SIGTERM), (4, signal.SIGINT), (3, signal.SIGUSR1),
])  # fmt: skip
def test_f34_signal_in_training(
    step: int,
    number: int,
    recipe: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "with a space"
    words = ["run", recipe, "--out", out, "--quiet"]
    with monkeypatch.context() as patch:
        steps = signal_in(step, number, patch)
        assert call(monkeypatch, *words) == (75 if number == signal.SIGUSR1 else 5)
    assert steps == list(range(1, step + 1)), "the running step is finished, no other begun"
    shown = capsys.readouterr().err.splitlines()
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    assert shown[0].startswith(f"{name}: this step is finished and saved")
    place = "epoch 1 of 2" if step == 4 else f"step {step} of 4 in epoch 1 of 2"
    assert shown[1] == (
        f"stopped by {name}: {place} is saved; resume with: adapt run {recipe} --quiet --resume "
        f"--out '{out}'"
    )
    assert len(shown) == 2
    with monkeypatch.context() as patch:
        steps = signal_in(99, number, patch)
        assert call(monkeypatch, "run", recipe, "--quiet", "--resume", "--out", out) == 0
    assert len(steps) == 8 - step, "what was done is not done again"
    assert scores(out) == scores(finished), "equal to the run that nothing disturbed"


def test_one_command_begins_goes_on_and_finds_the_run_complete(
    recipe: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    assert call(monkeypatch, "run", recipe, "--quiet", "--resume", "--out", out) == 2
    assert f"{out} - nothing to go on with - " in capsys.readouterr().err
    words = ["run", recipe, "--quiet", "--resume", "auto", "--out", out]
    with monkeypatch.context() as patch:
        signal_in(3, signal.SIGUSR1, patch)
        assert call(monkeypatch, *words) == 75
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith(f"resume with: adapt run {recipe} --quiet --resume auto --out {out}")
    )
    assert call(monkeypatch, *words) == 0
    assert scores(out) == scores(finished)
    shown, before = capsys.readouterr().out, (out / "log.txt").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("adapt.runs.run._run", None)  # nothing is computed
        assert call(monkeypatch, *words) == 0
    assert capsys.readouterr().out == shown
    assert (out / "log.txt").read_bytes() == before
    assert call(monkeypatch, *words, "seed=3") == 2


@pytest.mark.parametrize("moment", ["_read", "sweep", "write_uncertainty"])
@pytest.mark.slow
def test_signals_at_other_moments(
    moment: str,
    recipe: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(f"adapt.runs.run.{moment}", stopped)
        assert call(monkeypatch, "run", recipe, "--out", tmp_path / "run", "--quiet") == 5
    (shown,) = capsys.readouterr().err.splitlines()
    assert shown.startswith("stopped by SIGTERM: what was finished is kept; resume with: adapt run")
    assert call(monkeypatch, "run", recipe, "--resume", "--out", tmp_path / "run", "--quiet") == 0
    assert scores(tmp_path / "run") == scores(finished)


def started(process: Any, text: str) -> None:
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"the process ended before {text!r}")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["reading images", "epoch 1/", "points of the weight-space"])
def test_signal_to_a_real_process(moment: str, tmp_path: Path) -> None:
    process = start("run", "quickstart", "method.optim.epochs=2", "--out", tmp_path / "run")
    started(process, moment)
    process.send_signal(signal.SIGTERM)
    shown = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 5
    assert "resume with: adapt run quickstart method.optim.epochs=2 --resume --out" in shown[-1]
    assert not any("Traceback" in line for line in shown)


@pytest.mark.slow
def test_f32_killed_within_an_epoch(tmp_path: Path) -> None:
    # A checkpoint after each step: what was killed goes on from one, and does not begin again.
    settings = ["method.optim.epochs=2", "runtime.checkpoint_minutes=0"]
    words = ["run", "quickstart", *settings, "--out"]
    process = start(*words, tmp_path / "killed")
    started(process, "epoch 1/")
    time.sleep(1)
    process.kill()
    process.communicate(timeout=60)
    for folder, more in (("killed", ["--resume"]), ("whole", [])):
        process = start(*words, tmp_path / folder, *more)
        assert process.wait(timeout=600) == 0, process.communicate()[1]
    assert scores(tmp_path / "killed") == scores(tmp_path / "whole")


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file of this process can grow beyond so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_f35_full_disk_and_folders_that_cannot_be_written(
    recipe: Path,
    again: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("not a folder")
    for out, code, wrong in (
        (tmp_path / "file", 2, "not a folder"),
        (tmp_path / "file" / "run", 5, "cannot be written"),
        (Path("/proc/run"), 5, "cannot be written"),
    ):
        assert call(monkeypatch, "run", recipe, "--out", out) == code
        assert f"{out} - {wrong} - " in capsys.readouterr().err
    (again / "checkpoints" / PREVIOUS).unlink()
    before = {path: path.read_bytes() for path in (again / "checkpoints").iterdir()}
    shutil.copytree(again, tmp_path / "full")
    with full_disk(20_000):
        code = call(monkeypatch, "run", recipe, "--overwrite", "--out", tmp_path / "full")
    shown = capsys.readouterr().err
    assert code == 5
    assert "cannot be written - " in shown.splitlines()[-1]
    assert "Traceback" not in shown
    assert not list((tmp_path / "full").rglob("*.part")), "nothing half written is left"
    assert before == {path: path.read_bytes() for path in (again / "checkpoints").iterdir()}


HOLD = """
import sys, time
from pathlib import Path
from adapt.runs.folder.lock import run_folder
with run_folder(Path(sys.argv[1]), True, False):
    print("held", flush=True)
    time.sleep(60)
"""


def test_f39_two_runs_in_one_folder(
    recipe: Path, again: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = start(again, code=HOLD)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    for word in ("--resume", "--overwrite"):
        assert call(monkeypatch, "run", recipe, "--out", again, word) == 5
        assert f"{again} - in use - another process is writing here" in capsys.readouterr().err
    assert (again / "scores.json").is_file()
    holder.kill()
    holder.communicate(timeout=30)
    assert (again / ".lock").exists(), "left by the process that was killed"
    assert call(monkeypatch, "run", recipe, "--out", again, "--resume", "--quiet") == 0


def test_f40_data_changed_before_a_resume(
    recipe: Path, again: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root = Path(shutil.copytree(recipe.parent / "train", tmp_path / "train"))
    shutil.copytree(recipe.parent / "test", tmp_path / "test")
    Image.new("RGB", (32, 32), "white").save(root / "red_circle" / "new.png")
    words = ["run", recipe, f"data.train.root={root}", "--out", again, "--quiet"]
    assert call(monkeypatch, *words, "--resume") == 4
    shown = capsys.readouterr().err
    assert "the images have changed" in shown
    assert "add --accept-changed-data" in shown
    assert call(monkeypatch, *words, "--accept-changed-data") == 2
    assert "add --resume" in capsys.readouterr().err
    assert call(monkeypatch, *words, "--resume", "--accept-changed-data") == 0
    (resumed,) = json.loads((again / "environment.json").read_text())["resumed"]
    moved, accepted = resumed["changes"]
    assert "data.train.root was" in moved
    assert accepted.startswith("resumed with changed data, accepted: the images have changed")
    assert accepted in json.loads((again / "scores.json").read_text())["notes"]
    (root / "stripes").mkdir()
    for number in range(4):
        Image.effect_noise((32, 32), 50 + number).save(root / "stripes" / f"{number}.png")
    assert call(monkeypatch, *words, "--resume", "--accept-changed-data") == 3
    assert "the classes have changed" in capsys.readouterr().err


def test_f41_recipe_or_code_changed_before_a_resume(
    recipe: Path, again: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", recipe, "--out", again, "--resume", "--quiet"]
    before = (again / "recipe.yaml").read_bytes()
    assert call(monkeypatch, *words, "method.optim.lr=0.01", "method.optim.epochs=3") == 2
    shown = capsys.readouterr().err
    assert "cannot go on with other settings - 2 differ" in shown
    assert "method.optim.lr was 0.001, is 0.01" in shown
    assert "method.optim.epochs was 2, is 3" in shown
    assert (again / "recipe.yaml").read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr("adapt.runs.folder.files.__version__", "9.9")
        assert call(monkeypatch, *words) == 2
    assert "adapt was 0.1.0, is 9.9" in capsys.readouterr().err
    assert call(monkeypatch, *words, "runtime.batch_size=3") == 0
    notes = json.loads((again / "scores.json").read_text())["notes"]
    assert "resumed with a change: runtime.batch_size was 64, is 3" in notes


def test_a_damaged_checkpoint_is_named(
    recipe: Path, finished: Path, again: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    last = again / "checkpoints" / LAST
    last.write_bytes(last.read_bytes()[:-1000])
    (again / "scores.json").unlink()  # a run that is complete needs no checkpoint
    words = ["run", recipe, "--out", again, "--resume", "--quiet"]
    assert call(monkeypatch, *words) == 5
    shown = capsys.readouterr().err
    assert f"{last} - damaged checkpoint" in shown
    assert "add --from-previous" in shown
    assert "(after step 7)" in shown
    assert call(monkeypatch, *words, "--from-previous") == 0
    assert scores(again) == scores(finished)


class Failing(Logger):
    """A logger that works for a while."""

    def __init__(self, wrong: Any, after: int) -> None:
        super().__init__()
        self.wrong, self.left, self.seen = wrong, after, 0

    name = "failing"
    version = 0

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def log_metrics(self, *_: Any, **__: Any) -> None:
        """Count; then what is wrong."""
        self.left -= 1
        if self.left < 0:
            self.wrong()
        self.seen += 1


def raises() -> None:
    raise ConnectionError("503\nservice unavailable")


def hangs() -> None:
    time.sleep(3600)


@pytest.mark.parametrize(("wrong", "reason"), [
    (raises, "ConnectionError: 503 service unavailable"), (hangs, "no answer in 0.5 s"),
])  # fmt: skip
def test_f44_logger_that_raises_or_hangs(
    wrong: Any, reason: str, start: Classifier, toy_data: ImageData, context: Context,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    logger, told = Failing(wrong, after=1), list[str]()
    monkeypatch.setattr(loggers, "_start", lambda *_: logger)
    monkeypatch.setattr(loggers, "check_loggers", lambda _: None)
    monkeypatch.setattr(loggers, "SECONDS", 0.5)
    context.runtime.loggers = ["wandb"]
    context.folder, context.tell = tmp_path, told.append
    optim = Optim(lr=1e-3, epochs=2, batch_size=8, warmup=0.0)
    tuned = weights(fit(start, toy_data, optim, context))
    assert logger.seen == 1
    assert told == [f"logger wandb switched off, training goes on: {reason}"]
    context.folder = None
    assert bit_equal(tuned, weights(fit(start, toy_data, optim, context)))
    assert torch.isfinite(tuned["head.weight"]).all()
