"""What surviving costs: a training with everything that is kept and watched against plain loops.

    python -m bench.survive docs/benchmarks/survive.md

Three trainings of the same steps are made in turn, again and again, in one process: as a run makes
it (checkpoints behind the steps, log, watch of numbers); the same without a folder, so that nothing
is kept; and a loop written by hand in plain PyTorch (same batches, loss, clipping, AdamW and
schedule). The clock runs from the beginning of the first step to the end of the last, so that saves
at the ends of epochs count, and the wait for the last one does not. Ratios are those of trainings
next to each other. CPU seconds count all threads, also the one that writes; other programs on the
machine hardly change them, as they do wall time.

Saves are those of checkpoints of real trainings: how long a step waits (the copy to memory), and
until the file is whole on the disk, flushed and read back.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image

import adapt
from adapt.common.files import write_json
from adapt.data.image_data import ImageData
from adapt.data.sources.image_list import ImageList
from adapt.models.classifier import Classifier
from adapt.training import loop
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.parameters import parameter_groups, training_mode
from adapt.training.runtime import short_sequence_attention
from adapt.training.settings import Optim, Runtime, schedule_factor
from adapt.training.trainer.background import BackgroundCheckpointIO
from adapt.training.trainer.checkpoints import LAST

CLASSES = [f"class {number}" for number in range(10)]
MOST, SLOWEST = 0.03, 0.5
TRAININGS = (
    ("adapt-icons-xs", "embedded", "full", 32, 5, 3),
    ("ViT-B-32", "random", "lora", 4, 3, 2),
)
"""Model, weights, method, images of a step, steps of an epoch, epochs."""
Clock = tuple[float, float]


def now() -> Clock:
    """Wall seconds, and CPU seconds of all threads."""
    return time.perf_counter(), time.process_time()


class Steps(pl.Callback):
    """When the first step began and the last one ended."""

    def __init__(self) -> None:
        self.began: Clock | None = None
        self.ended: Clock = (0.0, 0.0)

    def on_train_batch_start(self, *_: Any) -> None:
        """The first counts."""
        self.began = self.began or now()

    def on_train_batch_end(self, *_: Any) -> None:
        """The last counts."""
        self.ended = now()

    @property
    def took(self) -> Clock:
        """Wall and CPU seconds."""
        assert self.began is not None
        return self.ended[0] - self.began[0], self.ended[1] - self.began[1]


@contextmanager
def watched(steps: Steps) -> Iterator[None]:
    """Trainers of the package get a further callback."""
    make = loop.make_trainer

    def with_steps(optim: Any, context: Any, callbacks: Any = ()) -> Any:
        return make(optim, context, [*callbacks, steps])

    loop.make_trainer = with_steps
    try:
        yield
    finally:
        loop.make_trainer = make


def images(folder: Path, count: int) -> ImageList:
    """Pictures of noise, evenly over the classes."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.fromarray(random.integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(path)
        paths.append(str(path))
    labels = [CLASSES[number % len(CLASSES)] for number in range(count)]
    return ImageList(paths, labels, None, None, str(folder), {})


def context(folder: Path | None) -> Context:
    """One thread, float32, no loading processes: the same for all."""
    runtime = Runtime(accelerator="cpu", precision="32", workers="0")
    return Context(runtime, quiet=True, folder=folder, augmentation="none")


def as_a_run(method: Any, start: Classifier, data: ImageData, folder: Path | None) -> Clock:
    """A training of the package, which keeps what a run keeps where there is a folder."""
    steps = Steps()
    with watched(steps):
        method.fit(start, data, context(folder))
    return steps.took


def by_hand(method: Any, start: Classifier, data: ImageData) -> Clock:
    """The same steps in plain PyTorch."""
    optim, tuned = method.optim, method.prepare(start)
    loader = ImageDataModule(
        data.train, None, CLASSES, start.backbone.preprocessing, "none", optim.batch_size, 0
    )
    batches = loader.train_dataloader()
    trained = [p for p in tuned.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(parameter_groups(tuned, optim), lr=optim.lr, fused=True)
    factor = schedule_factor(optim.epochs * len(batches), optim)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, factor)
    training_mode(tuned)
    began = None
    for epoch in range(optim.epochs):
        batches.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for given in batches:
            began = began or now()
            batch = loader.on_after_batch_transfer(given, 0)
            with short_sequence_attention(torch.device("cpu")):
                logits = tuned(batch["image"])
            loss = torch.nn.functional.cross_entropy(logits, batch["target"])
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, optim.clip_norm)
            adam.step()
            schedule.step()
    ended = now()
    assert began is not None
    return ended[0] - began[0], ended[1] - began[1]


def overhead(row: Sequence[Any], repetitions: int, folder: Path) -> dict[str, Any]:
    """Ratios of one kind of training, each of neighbours in time."""
    arch, pretrained, name, batch, steps, epochs = row
    start = Classifier.from_clip(arch, pretrained, CLASSES)
    data = ImageData(images(folder, batch * steps), None)
    optim = Optim(lr=1e-5, epochs=epochs, batch_size=batch)
    method: Any = adapt.method(name, optim=optim)
    if hasattr(method, "steps_per_shot"):
        method = replace(method, steps_per_shot=0)
    kinds: dict[str, Callable[[int], Clock]] = {
        "by hand": lambda _: by_hand(method, start, data),
        "run": lambda number: as_a_run(method, start, data, folder / f"run{number}"),
        "nothing kept": lambda _: as_a_run(method, start, data, None),
    }
    took: dict[str, list[Clock]] = {kind: [] for kind in kinds}
    for number in range(repetitions + 1):
        order = list(kinds) if number % 2 else list(kinds)[::-1]
        for kind in order:
            seconds = kinds[kind](number)
            if number:  # the first is to warm up
                took[kind].append(seconds)
        print(arch, name, number, {k: v[-1] for k, v in took.items() if v}, flush=True)
    saves = [path.stat().st_size for path in folder.glob("run1/checkpoints/last.ckpt")]
    return {
        "steps": steps * epochs, "batch": batch, "checkpoint": saves[0],
        "step": statistics.median(cpu for _, cpu in took["run"]) / (steps * epochs),
        **{f"{clock} against {kind}": [run[place] / other[place]
           for run, other in zip(took["run"], took[kind], strict=True)]
           for kind in ("by hand", "nothing kept") for place, clock in enumerate(("wall", "CPU"))},
    }  # fmt: skip


def save(name: str, repetitions: int, folder: Path) -> dict[str, Any]:
    """Saves of a checkpoint of ViT-B-32 after a step: the copy, and until it is whole."""
    start = Classifier.from_clip("ViT-B-32", "random", CLASSES)
    data = ImageData(images(folder, 2), None)
    method = adapt.method(name, optim=Optim(lr=1e-5, epochs=1, batch_size=2))
    method.fit(start, data, context(folder))
    last = folder / "checkpoints" / LAST
    content = torch.load(last, weights_only=True)
    files, copies, wholes = BackgroundCheckpointIO(), list[float](), list[float]()
    for _ in range(repetitions):
        began = time.perf_counter()
        files.save_checkpoint(content, last)
        copies.append(time.perf_counter() - began)
        files.finish()
        wholes.append(time.perf_counter() - began)
    return {"bytes": last.stat().st_size, "copy": copies, "whole": wholes}


def spread(values: Sequence[float], digits: int, unit: str = "") -> str:
    """The median, and from the smallest to the largest."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f}{unit} ({least:.{digits}f} to {most:.{digits}f})"


def table(figures: dict[str, Any]) -> list[str]:
    """The lines of the page below its head."""
    lines = [
        "| training | images a step | steps | CPU seconds a step | checkpoint | CPU, to a loop by "
        "hand | wall | CPU, to nothing kept | wall |",
        "|---|---:|---:|---:|---:|---|---|---|---|",
    ]
    for name, row in figures["overhead"].items():
        ratios = [
            spread(row[f"{clock} against {kind}"], 3)
            for kind in ("by hand", "nothing kept") for clock in ("CPU", "wall")
        ]  # fmt: skip
        size = f"{row['checkpoint'] / 1e6:.1f} MB"
        shown = [name, row["batch"], row["steps"], f"{row['step']:.3f}", size, *ratios]
        lines.append("| " + " | ".join(map(str, shown)) + " |")
    lines += ["", "| save of ViT-B-32 | bytes | a step waits (s) | until it is whole (s) |",
              "|---|---:|---|---|"]  # fmt: skip
    for name, row in figures["saves"].items():
        waits, whole = spread(row["copy"], 3), spread(row["whole"], 3)
        lines.append(f"| {name} | {row['bytes'] / 1e6:.1f} MB | {waits} | {whole} |")
    return [*lines, "", *verdicts(figures)]


def verdicts(figures: dict[str, Any]) -> list[str]:
    """Whether the limits are kept, by the medians."""
    lines = []
    for name, row in figures["overhead"].items():
        for kind in ("by hand", "nothing kept"):
            over = statistics.median(row[f"CPU against {kind}"]) - 1
            kept = "kept" if over <= MOST else "MISSED"
            to = "a loop by hand" if kind == "by hand" else "the same with nothing kept"
            lines.append(
                f"- {name}, against {to}: {100 * over:+.1f} %; the limit of 3 % is {kept}."
            )
    if "lora" in figures["saves"]:
        seconds = statistics.median(figures["saves"]["lora"]["whole"])
        kept = "kept" if seconds <= SLOWEST else "MISSED"
        lines.append(f"- One save of LoRA: {seconds:.2f} s; the limit of {SLOWEST} s is {kept}.")
    return lines


def main() -> None:
    """Measure and write the page, and its figures beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="Markdown file to write")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--saves", type=int, default=5, help="repetitions of a save")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    before = os.getloadavg()[0]
    figures: dict[str, Any] = {"overhead": {}, "saves": {}}
    with tempfile.TemporaryDirectory() as place:
        for name in ("lora", "full"):
            (folder := Path(place, f"save-{name}")).mkdir()
            figures["saves"][name] = save(name, arguments.saves, folder)
        for row in TRAININGS:
            (folder := Path(place, row[0])).mkdir()
            figures["overhead"][f"{row[0]}, {row[2]}"] = overhead(
                row, arguments.repetitions, folder
            )
    figures["load"] = [before, os.getloadavg()[0]]
    write_json(arguments.out.with_suffix(".json"), figures)
    lines = [
        "# What surviving costs",
        "",
        "Written by `python -m bench.survive docs/benchmarks/survive.md`, which says how it is ",
        "measured. Ratios of times: median (smallest to largest) of "
        f"{arguments.repetitions} pairs of trainings next to each other; 1 is no overhead.",
        f"Load of the machine {before:.1f} before and {figures['load'][1]:.1f} after the "
        f"measurement, on {os.cpu_count()} processors: wall times are as good as that allows.",
        "",
        *table(figures),
        "",
        "What is limited is the cost of surviving, `nothing kept`; a loop by hand also lacks what "
        "Lightning, the log and the watch of numbers do. The small model is the hardest case: it "
        "saves all of its weights after every five steps of a quarter of a second, and the "
        "processor time of the thread that writes counts though steps do not wait for it.",
        "",
        f"Machine: {platform.machine()}, 1 thread, Python {platform.python_version()}, PyTorch "
        f"{torch.__version__}.",
    ]
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    arguments.out.write_text(text, encoding="utf-8")
    print(json.dumps(figures["load"]), text)


if __name__ == "__main__":
    main()
