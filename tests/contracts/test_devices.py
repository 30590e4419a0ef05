"""Two processes come to the scores of one: recipes of every kind, also where nothing divides."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from adapt.runs.run import run
from tests.helpers.commands import ROOT, start

RECIPES = ("quickstart", "flyp", "lora_16shot", "linear_probe", "few_shot_auto")
TRAINED = RECIPES[:3]
CLOCK = ("seconds", "name", "opened")


def painted(root: Path, counts: tuple[int, ...], first: int) -> Path:
    """So many images per class: hues with a shade of their own."""
    for hue, count in enumerate(counts):
        folder = root / ("red", "green", "blue")[hue]
        folder.mkdir(parents=True)
        for number in range(count):
            colour = [(first + 37 * number) % 200] * 3
            colour[hue] = 220
            image = Image.new("RGB", (40, 50), tuple(colour))
            image.paste((number * 11 % 256,) * 3, (5, 5, 5 + 3 * hue + number % 7, 30))
            image.save(root / folder.name / f"{number}.png")
    return root


def overrides(recipe: str, folder: Path, images: tuple[int, ...]) -> list[str]:
    train = painted(folder / "train", images, 10)
    test = painted(folder / "test", (3, 2, 2), 90)
    made = [
        f"data.train={{kind: folder, root: {train}}}", "data.val={from: train, fraction: 0.3}",
        f"evals={{shift: {{kind: folder, root: {test}}}}}",
        "model.arch=adapt-icons-xs", "model.pretrained=embedded",
        "ensemble.alphas=3", "runtime.accelerator=cpu", "runtime.precision=32", "runtime.workers=0",
        "runtime.batch_size=4", "report.formats=[]",
    ]  # fmt: skip
    if recipe in TRAINED:
        made += ["method.optim.epochs=2", "method.optim.batch_size=4", "method.optim.accumulate=1"]
    if recipe == "few_shot_auto":
        made += ["method.candidates=[gda, tip_adapter]", "~few_shot"]
    return made


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and text of some JSON, with where it stands."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in CLOCK:
                yield from leaves(part, f"{path}/{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from leaves(part, f"{path}/{number}")
    else:
        yield path, value


def assert_same_scores(first: Path, second: Path) -> None:
    """Whatever counts images is equal; probabilities differ by rounding alone."""
    left, right = (
        dict(leaves(json.loads((f / "scores.json").read_text()))) for f in (first, second)
    )
    assert left.keys() == right.keys()
    for path, value in left.items():
        if isinstance(value, float) and "accuracy" not in path:
            assert right[path] == pytest.approx(value, abs=2e-4), path
        else:
            assert right[path] == value, path


def losses(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open() as file:
        return [float(row["train_loss"]) for row in csv.DictReader(file) if row["train_loss"]]


def assert_two_are_one(recipe: str, folder: Path, images: tuple[int, ...]) -> None:
    given = overrides(recipe, folder, images)
    for devices in (1, 2):
        run(recipe, [*given, f"runtime.devices={devices}"], folder / f"on{devices}")
    assert_same_scores(folder / "on1", folder / "on2")
    if recipe in TRAINED:
        first, second = losses(folder / "on1"), losses(folder / "on2")
        assert len(first) == 2
        assert second == pytest.approx(first, abs=1e-5)


def test_lora_on_two_devices(tmp_path: Path) -> None:
    """Five images train, in batches of four: the last has one image for two processes."""
    assert_two_are_one("lora_16shot", tmp_path, (3, 2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("images", [(3, 2, 2), (34, 33, 33), (35, 33, 33)])
def test_two_devices(recipe: str, images: tuple[int, ...], tmp_path: Path) -> None:
    assert_two_are_one(recipe, tmp_path, images)


@pytest.mark.slow
def test_shared_out_blocks_train_alike(tmp_path: Path) -> None:
    given = [*overrides("quickstart", tmp_path, (3, 2, 2)), "method={name: full}",
             "method.optim={epochs: 2, batch_size: 4, lr: 1e-4}", "runtime.devices=2"]  # fmt: skip
    for strategy in ("ddp", "fsdp"):
        run("quickstart", [*given, f"runtime.strategy={strategy}"], tmp_path / strategy)
    assert_same_scores(tmp_path / "ddp", tmp_path / "fsdp")
    assert losses(tmp_path / "fsdp") == pytest.approx(losses(tmp_path / "ddp"), abs=1e-4)


@pytest.mark.slow
def test_started_by_torchrun(tmp_path: Path) -> None:
    given = overrides("lora_16shot", tmp_path, (3, 2, 2))
    run("lora_16shot", given, tmp_path / "alone")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [
        *launcher,
        "-m",
        "adapt",
        "run",
        "lora_16shot",
        *given,
        "--out",
        str(tmp_path / "together"),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert_same_scores(tmp_path / "alone", tmp_path / "together")


def wait_for_epochs(folder: Path, count: int) -> None:
    """Until so many epochs have been logged."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        with suppress(OSError, KeyError):
            files = list((folder / "log").rglob("metrics.csv"))
            if files and len(files[0].read_text().splitlines()) > 2 * count:
                return
        time.sleep(0.1)
    raise AssertionError(f"no {count} epochs in {folder}")


def children_of(pid: int) -> list[int]:
    """Processes that a process started and that still run."""
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def assert_gone(pids: list[int]) -> None:
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, f"{pids} are still there"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_and_resumed_on_two_devices(how: signal.Signals, tmp_path: Path) -> None:
    """The weights are those of a run that was not stopped; no process stays behind."""
    given = [*overrides("lora_16shot", tmp_path, (9, 8, 8)), "method.optim.epochs=12",
             "runtime.devices=2", "runtime.checkpoint_minutes=0"]  # fmt: skip
    run("lora_16shot", given, tmp_path / "whole")
    command = ["run", "lora_16shot", *given, "--out", tmp_path / "parts"]
    process = start(*command)
    wait_for_epochs(tmp_path / "parts", 2)
    others = children_of(process.pid)
    assert others
    process.send_signal(how)
    _, said = process.communicate(timeout=120)
    assert process.returncode == {signal.SIGTERM: 5, signal.SIGKILL: -9}[how], said
    assert_gone(others)
    run("lora_16shot", given, tmp_path / "parts", resume=True)
    first, second = (
        load_file(tmp_path / f / "adapted" / "head.safetensors") for f in ("whole", "parts")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert_same_scores(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run(tmp_path: Path) -> None:
    given = [*overrides("lora_16shot", tmp_path, (9, 8, 8)), "method.optim.epochs=40"]
    process = start("run", "lora_16shot", *given, "runtime.devices=2", "--out", tmp_path / "run")
    wait_for_epochs(tmp_path / "run", 1)
    began = time.monotonic()
    os.kill(children_of(process.pid)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert time.monotonic() - began < 60
    assert process.returncode == 5, said
    assert "--resume" in said
    assert "Traceback" not in said
