"""Whole runs, against the same command at the commit before any of this was made faster."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from adapt.models.backbones import load_backbone
from bench.speed.harness import Figure, alternate, row

BEFORE = "6db18ed"
"""The commit that runs are compared with."""
HERE = Path(__file__).parents[3]


@contextmanager
def old_tree() -> Iterator[Path]:
    """The files of the old commit."""
    with tempfile.TemporaryDirectory() as name:
        archive = subprocess.run(
            ["git", "-C", str(HERE), "archive", BEFORE], check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-xf", "-", "-C", name], input=archive, check=True)
        yield Path(name)


def run(tree: Path, out: Path, words: list[str], cache: Path | None = None) -> dict[str, Any]:
    """One run in a process of its own, by default with an empty cache; its scores and `seconds`."""
    shutil.rmtree(out, ignore_errors=True)
    own = out.with_name(f"{out.name}-cache")
    if cache is None:
        shutil.rmtree(own, ignore_errors=True)
    environment = {**os.environ, "PYTHONPATH": str(tree), "ADAPT_CACHE": str(cache or own)}
    subprocess.run(
        [sys.executable, "-m", "adapt", "run", *words, "--out", str(out)],
        check=True,
        env=environment,
        capture_output=True,
        cwd=out.parent,
    )
    scores: dict[str, Any] = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    if (timing := out / "timing.json").is_file():  # the old commit has them in `scores.json`
        scores["seconds"] = json.loads(timing.read_text(encoding="utf-8"))
    return scores


def compared(words: list[str], times: int) -> tuple[Figure, dict[str, Any], dict[str, Any]]:
    """The run here and at the old commit, in turn; the old commit takes minutes for each."""
    with tempfile.TemporaryDirectory() as name, old_tree() as old:
        folder = Path(name)
        return alternate(
            lambda: run(HERE, folder / "here", words),
            lambda: run(old, folder / "before", words),
            times,
            warm_up=False,
        )


def photos_56(folder: Path) -> Path:
    """Seven photos of each of eight classes."""
    source = Path(os.environ["ADAPT_BENCH_DATA"], "clothing10_fs", "train")
    for place in sorted(source.iterdir())[:8]:
        (folder / place.name).mkdir(parents=True)
        for path in sorted(place.iterdir())[:7]:
            shutil.copy(path, folder / place.name / path.name)
    return folder


@contextmanager
def lora_words() -> Iterator[list[str]]:
    """The recipe on 56 photos for one epoch, with random weights of the right shapes in a file."""
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name, "weights.safetensors")
        save_file(load_backbone("ViT-B-32", "random").model.state_dict(), weights)
        photos = photos_56(Path(name, "photos"))
        yield [
            "lora_16shot",
            str(photos),
            f"model.pretrained={weights}",
            "method.optim.epochs=1",
        ]


@row("lora_run", "`adapt run lora_16shot`, 56 photos, 1 epoch, ViT-B-32", f"commit {BEFORE}", 6.0)
def lora_run() -> Figure:
    """Whole processes, empty caches."""
    with lora_words() as words:
        figure, ours, theirs = compared(words, 1)
    alphas = [scores["ship"]["candidates"]["mixed"]["alpha"] for scores in (ours, theirs)]
    figure.checks["chosen alpha of the mixed model"] = f"{alphas[0]:g} and {alphas[1]:g}"
    figure.note = (
        f"one pair; {ours['seconds']['fit']:.0f} of {figure.ours[-1]:.0f} s are the fit; the rest "
        "is encoding, saving and checking bundles of 600 MB, the report, and imports, also of the "
        "process that checks; the default rule no longer looks at corruptions, so alphas differ"
    )
    return figure


@row("quickstart", "`adapt run quickstart`", f"commit {BEFORE}", 2.0)
def quickstart() -> Figure:
    """Whole processes, empty caches; scores at the points that both compute."""
    figure, ours, theirs = compared(["quickstart"], 1)
    for model in ("zero_shot", "adapted"):
        for name in ("test", "outline", "solid", "colour", "silhouette"):
            pair = [scores["models"][model][name]["accuracy"] for scores in (ours, theirs)]
            figure.checks[f"{model} on {name}"] = f"{100 * pair[0]:.1f} and {100 * pair[1]:.1f}"
    figure.checks["ships"] = f"{ours['shipped']} and {theirs['shipped']}"
    figure.checks["alpha"] = f"{ours['alpha']:g} and {theirs['alpha']:g}"
    figure.note = f"one pair; {ours['seconds']['fit']:.0f} s are the training, as before"
    return figure


def _second(words: list[str]) -> Figure:
    """Seconds that `timing.json` states: from the recipe to the scores, without the start."""
    figure = Figure([])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, second = (run(HERE, folder / "out", words, folder / "cache") for _ in range(2))
    assert first["models"] == second["models"]
    figure.theirs.append(first["seconds"]["total"])
    figure.ours.append(second["seconds"]["total"])
    figure.checks["scores"] = "equal"
    figure.note = (
        "one pair; what is left is reading and hashing the photos, fitting the heads and saving "
        "the adapted model"
    )
    return figure


@row("second_run", "second run of `one_folder` on 1,670 photos, to scores", "the first", 20.0)
def second_run() -> Figure:
    """The embedded model, whose features are quick to compute as well."""
    return _second([str(Path(os.environ["ADAPT_BENCH_DATA"], "pacs", "photo"))])


@row("second_run_b32", "the same with ViT-B-32", "the first", 20.0)
def second_run_b32() -> Figure:
    """Random weights of the right shapes in a file."""
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name, "weights.safetensors")
        save_file(load_backbone("ViT-B-32", "random").model.state_dict(), weights)
        photos = str(Path(os.environ["ADAPT_BENCH_DATA"], "pacs", "photo"))
        model = [f"model.pretrained={weights}", "model.arch=ViT-B-32"]
        return _second([photos, *model, "runtime.precision=32"])
