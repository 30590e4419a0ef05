"""Whole runs in processes that are killed at random moments, and go on."""

import json
import multiprocessing
import os
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from random import Random

import pytest
import torch

from adapt.models import classifier
from adapt.runs.folder.resume import Resume
from adapt.runs.run import run
from tests.helpers.commands import ROOT
from tests.helpers.tiny import CLASSES, VIT, add_configs, draw_folder

RECIPE = """
version: 1
name: killed
model: {{arch: {arch}, pretrained: random}}
data: {{train: {{kind: folder, root: {root}/train}}, val: {{from: train, fraction: 0.3}}}}
method: {method}
ensemble: {{alphas: 5}}
evals:
  test: {{kind: folder, root: {root}/test}}
  blur: {{of: test, shift: gaussian_blur, severity: 3}}
few_shot: {{shots: {shots}, seeds: 2}}
report: {{formats: [{formats}]}}
runtime: {{accelerator: cpu, precision: "32", workers: "{workers}", checkpoint_minutes: 0}}
"""
OPTIM = "optim: {lr: 1.0e-3, epochs: 3, batch_size: 6, ema: 0.5}"
METHODS = {
    "full": f"{{name: full, {OPTIM}}}",
    "lora": f"{{name: lora, {OPTIM}}}",
    "linear_probe": "{name: linear_probe}",
    "flyp": "{name: flyp, optim: {lr: 1.0e-3, epochs: 3, batch_size: 6}}",
    "auto": "{name: auto}",
}
MODULES = [
    "tests.helpers.killed", "adapt.runs.run", "adapt.report.sections", "matplotlib.pyplot",
    "pandas", "peft", "albumentations",
]  # fmt: skip
"""What a run imports in several seconds."""


def recipe(folder: Path, method: str, workers: int, whole: bool = False) -> Path:
    """A recipe whose images are drawn when they are not there; with all stages, or without some."""
    for seed, name in enumerate(("train", "test")):
        if not (folder / name).is_dir():
            draw_folder(folder / name, dict.fromkeys(CLASSES, 8), seed)
    path = folder / f"{method}-{workers}.yaml"
    given = {"arch": VIT, "root": folder, "method": METHODS[method]}
    given |= {"shots": "[1]", "formats": "md"} if whole else {"shots": "[]", "formats": ""}
    path.write_text(RECIPE.format(**given, workers=workers), encoding="utf-8")
    return path


def run_once(path: str, out: str, cache: str, configs: str) -> None:
    """In a process of its own: begin the run, or go on with it; what it prints goes beside it."""
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with printed(Path(out)).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ["ADAPT_CACHE"] = cache
    torch.set_num_threads(1)
    add_configs(Path(configs))
    classifier.verify_in_another_process = classifier.verify_bundle  # type: ignore[assignment]
    run(path, [], out, resume=Resume(auto=True))


AHEAD = 4
"""Lines among which the next kill is drawn."""


@dataclass(frozen=True)
class Moment:
    """So many seconds after a run has said a line; on any machine that is at the same place."""

    line: str
    seconds: float

    @classmethod
    def drawn(cls, whole: Path, random: Random, last: str | None) -> "Moment":
        """Somewhere behind one of the lines of a whole run, before the next; all lines alike.

        So short stages are hit as often as those that take most of the time. It is one of the lines
        that come next: stages before are finished and take no time any more, and a run that goes on
        step by step is killed at each of them.
        """
        times = [float(line[1:].partition(" s]")[0]) for line in said(whole)]
        total = json.loads((whole / "timing.json").read_text(encoding="utf-8"))["total"]
        of_whole = lines(whole)
        first = of_whole.index(last) if last in of_whole else 0
        number = random.randrange(first, min(first + AHEAD, len(times)))
        # Times have one digit, and the last line is said just before the end.
        took = max([*times[1:], total][number] - times[number], 0.1)
        return cls(of_whole[number], random.uniform(0, took))


class Killer:
    """Starts runs, each in a process that has everything imported already."""

    def __init__(self, folder: Path) -> None:
        self.configs = folder / "configs"
        self.configs.mkdir(parents=True)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(MODULES)
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", paths)  # or it would import nothing beforehand
            forkserver.ensure_running()

    def run(self, path: Path, out: Path, moment: "Moment | None" = None) -> bool:
        """Whether a run came to its end before it was killed.

        Args:
            path: The recipe.
            out: Run folder; the cache is beside it.
            moment: When to kill it; without, it may take as long as it likes.
        """
        given = [str(each) for each in (path, out, out.with_name("cache"), self.configs)]
        process, before = self.context.Process(target=run_once, args=given), len(said(out))
        process.start()
        while moment and process.is_alive() and moment.line not in lines(out)[before:]:
            process.join(0.01)
        process.join(moment.seconds if moment else None)
        if process.is_alive():
            process.kill()
            process.join()
            return False
        text = printed(out).read_text(encoding="utf-8", errors="replace")
        assert process.exitcode == 0, f"exit code {process.exitcode}\n{text[-10000:]}"
        return True


def printed(out: Path) -> Path:
    """Where all processes of a run print."""
    return out.with_name("printed.txt")


def said(out: Path) -> list[str]:
    """The lines of the log so far."""
    log = out / "log.txt"
    return log.read_text(encoding="utf-8").splitlines() if log.is_file() else []


def lines(out: Path) -> list[str]:
    """What the lines of the log say, without the times and the run folder."""
    return [line.partition("] ")[2].replace(str(out), "OUT") for line in said(out)]


def stages(out: Path) -> dict[str, int]:
    """When the file of each finished stage was written, by its name."""
    files = (out / "stages").glob("[!.]*")
    return {path.name: path.stat().st_mtime_ns for path in files}


def compared(out: Path) -> dict[str, bytes]:
    """What must be equal after kills, byte by byte."""
    names = [f"{model}/{file}.safetensors" for model in ("adapted", "model")
             for file in ("open_clip_model", "head", "probe")]  # fmt: skip
    names += [f"{measure}.json" for measure in ("scores", "curve", "uncertainty", "robustness")]
    names += [name for name in ("few_shot.json", "metrics.csv") if (out / name).is_file()]
    return {name: (out / name).read_bytes() for name in names}


def check_kills(killer: Killer, path: Path, folder: Path, kills: int, seed: int) -> list[str]:
    """Kill runs at random moments, let each go on until its end, and compare it with a whole one.

    Args:
        killer: Starts them.
        path: The recipe.
        folder: For run folders.
        kills: How many in all; a run that ends before that is followed by another.
        seed: Of the moments.

    Returns:
        What the runs had said last when they were killed.
    """
    whole = folder / "whole" / "run"
    assert killer.run(path, whole)
    expected = compared(whole)
    moments, random, runs = list[str](), Random(seed), 0
    while len(moments) < kills:
        out, finished = folder / str(runs) / "run", dict[str, int]()
        last: str | None = None
        runs += 1
        while True:
            moment = Moment.drawn(whole, random, last) if len(moments) < kills else None
            done = killer.run(path, out, moment)
            if done:
                break
            after = stages(out)
            for name, written in finished.items():
                # Once the run is complete its stages are gone, all at once.
                assert not after or after[name] == written, f"{name} was computed again"
            finished |= after
            last = lines(out)[-1]
            moments.append(last)
        assert not (out / "stages").exists()
        assert not list(out.rglob("*.part"))
        assert compared(out) == expected
    return moments
