"""What each rule for alpha would have chosen, replayed on stored outputs of many runs.

    python bench/alpha_rules.py collect --pacs PACS --store STORE [--seeds 3]
    python bench/alpha_rules.py table --store STORE docs/benchmarks/alpha_rules.md

`collect` trains each method on each task and keeps the logits of val, of corruptions of a part of
val, and of all test sets at each alpha. A run that is there is not made again. Two fifths of the
training images are held out, so that val of 40 up to all of them can be replayed. Rules are fitted
and chosen on the first two tasks (`CHOSEN_ON`) alone; the others were never looked at before.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from adapt.data.shifts.shift import Shift
from adapt.data.sources.embedded import EMBEDDED
from adapt.ensembling.choose import alpha_grid
from adapt.ensembling.held_out import HeldOutSets
from adapt.ensembling.line import Line
from adapt.ensembling.settings import CORRUPTIONS, SEVERITY
from adapt.evaluation.evaluate import Split
from adapt.models.classifier import Classifier
from adapt.recipe.data import build_data
from adapt.recipe.load import load
from adapt.training.context import Context
from bench.robust import DOMAINS, Benchmark, pacs, pictograms, recipe_of

METHODS = (
    "linear_probe",
    "clap",
    "visual_projection",
    "lora",
    "full",
    "full + feature_distillation",
    "flyp",
)
PAINTINGS = {"test": "art_painting", "photo": "photo", "cartoon": "cartoon", "sketch": "sketch"}
CHOSEN_ON = ("pictograms", "pacs")
TASKS = (*CHOSEN_ON, "outlines", "paintings")
ALPHAS = alpha_grid(6)
HELD_OUT, CORRUPTED = 0.4, 60


def outlines(folder: Path) -> Benchmark:
    """The other way round: adapt on outlines, test on outlines and on the other domains."""
    made = pictograms(folder)
    names = pd.read_csv(folder / "emoji-train-known.csv")["label"].unique()
    root = EMBEDDED / "pictograms"
    files = [
        (str(path.relative_to(root)), name)
        for name in names
        for path in sorted((root / "outline" / "train" / name).glob("*.png"))
    ]
    place = folder / "outline-train-known.csv"
    train = pd.DataFrame(files, columns=["path", "label"])
    train.to_csv(place, index=False)
    words = yaml.safe_load((folder / "known.yaml").read_text(encoding="utf-8"))
    own = folder / "outlines.yaml"
    own.write_text(yaml.safe_dump({k: v for k, v in words.items() if k in set(train["label"])}))
    evals = {}
    for domain in DOMAINS:
        given = made.evals["test" if domain == "emoji" else domain]
        rows = pd.read_csv(given["path"])
        part = folder / f"of-outlines-{domain}.csv"
        rows[rows["label"].isin(set(train["label"]))].to_csv(part, index=False)
        evals["test" if domain == "outline" else domain] = {**given, "path": str(part)}
    return Benchmark({**made.train, "path": str(place)}, evals, own)


def paintings(folder: Path, root: Path) -> Benchmark:
    """PACS adapted to on its paintings."""
    return pacs(folder, root, PAINTINGS)


def benchmark(task: str, folder: Path, root: Path | None) -> Benchmark:
    """Tables of a task."""
    folder.mkdir(parents=True, exist_ok=True)
    if task in ("pictograms", "outlines"):
        return pictograms(folder) if task == "pictograms" else outlines(folder)
    assert root is not None, "--pacs is needed"
    return pacs(folder, root) if task == "pacs" else paintings(folder, root)


def recipe(made: Benchmark, method: str, seed: int) -> dict[str, Any]:
    """As in `bench/robust.py`, with more images held out and no set of other classes."""
    content = recipe_of(made, method, seed)
    content["data"]["val"] = {"from": "train", "fraction": HELD_OUT}
    content["evals"] = {n: e for n, e in content["evals"].items() if not e.get("retention")}
    return content


def record(path: Path) -> dict[str, np.ndarray]:
    """Train, and the logits of every set at every alpha."""
    loaded = load(path)
    setup, data = loaded.recipe, build_data(loaded.recipe)
    assert data.fit.val is not None
    runtime, names = setup.runtime, [data.fit.train.classes[key] for key in data.fit.class_names]
    start = Classifier.from_clip(setup.model.arch, setup.model.pretrained, names)
    context = Context(runtime, setup.seed, setup.data.augmentation, quiet=True)
    tuned = loaded.method.fit(start, data.fit, context)
    shuffled = np.random.default_rng(setup.seed).permutation(len(data.fit.val))
    val = data.fit.val.subset(shuffled)
    shifts = [Shift(kind, SEVERITY) for kind in CORRUPTIONS]
    first = val.subset(list(range(min(CORRUPTED, len(val)))))
    sets = HeldOutSets.read(start, first, runtime, shifts)
    splits = [Split.read("val", val, start, runtime), *sets.corrupted]
    splits += [Split.read(name, images, start, runtime) for name, images in data.evals.items()]
    line = Line(start, tuned, runtime)
    along = [line.logits(alpha, splits) for alpha in ALPHAS]
    stored: dict[str, np.ndarray] = {}
    for number, split in enumerate(splits):
        stored[f"logits/{split.name}"] = np.stack([logits[number] for logits in along])
        stored[f"targets/{split.name}"] = split.targets
    return stored


def wanted(tasks: list[str], seeds: int, methods: list[str]) -> Iterator[tuple[str, int, str]]:
    """All runs, the first seed of every task first."""
    for seed, task, method in itertools.product(range(seeds), tasks, methods):
        yield task, seed, method


def collect(arguments: argparse.Namespace) -> None:
    """Make what is missing."""
    for task, seed, method in wanted(arguments.tasks, arguments.seeds, arguments.methods):
        folder = arguments.store / task
        out = folder / f"{method.replace(' + ', '-')}-{seed}.npz"
        if out.is_file():
            continue
        made = benchmark(task, folder / "tables", arguments.pacs)
        path = out.with_suffix(".yaml")
        path.write_text(yaml.safe_dump(recipe(made, method, seed), sort_keys=False), "utf-8")
        torch.manual_seed(seed)
        stored = record(path)
        np.savez(out.with_suffix(".part.npz"), **stored)
        out.with_suffix(".part.npz").rename(out)
        right = [
            round(float((stored[f"logits/{n}"][-1].argmax(1) == stored[f"targets/{n}"]).mean()), 3)
            for n in ("val", "test")
        ]
        print(task, seed, method, right, flush=True)


def main() -> None:
    """Collect or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("collect", "table"))
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--pacs", type=Path)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("out", type=Path, nargs="?", help="document of `table`")
    arguments = parser.parse_args()
    collect(arguments)


if __name__ == "__main__":
    main()
