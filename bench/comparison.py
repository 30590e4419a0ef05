"""The runs of the comparison: methods x tasks x seeds, kept as logits along the line to zero-shot.

    python -m bench.comparison --pacs PACS --store STORE [--seeds 3]

Each run trains a method on a task and keeps logits of val, of corruptions of a part of val and of
all test sets at each alpha, with the accuracy on other classes and the CPU seconds of the training.
`bench.robust` and `bench.alpha_rules` make their tables of that store. A run that is there is not
made again, and the first seed of everything comes first, so the script can be stopped and goes on.

- `pictograms`: adapt on emoji of 24 classes, test on unseen emoji and four other domains; outlines
  of the other 8 classes are the retention set.
- `pacs`: adapt on photos, test on photos, art, cartoons and sketches; the retention set is outlines
  of pictograms.
- `outlines`, `paintings`: the same images the other way round.

Two fifths of the training images are held out, so that val of 40 up to all of them can be replayed.
All settings are the methods' defaults but for those in SETTINGS, which were fixed before the first
run and are the same for every gradient method.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
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
from adapt.ensembling.retention import retention_prompts, zero_shot_on
from adapt.ensembling.settings import CORRUPTIONS, SEVERITY
from adapt.evaluation.evaluate import Split
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import load
from adapt.training.context import Context
from adapt.training.features.encode import predict_logits
from adapt.training.features.store import FeatureStore
from bench import alpha_lines

GRADIENT = "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64}"
SETTINGS = {
    "linear_probe": "",
    "clap": "",
    "full": GRADIENT,
    "paint": GRADIENT,
    "lp_ft": GRADIENT,
    "flyp": GRADIENT,
    "full + l2_sp": "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, l2_sp: 0.01}",
    "full + feature_distillation": (
        "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, feature_distillation: 300.0}"
    ),
    "full + self_distillation": (
        "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, self_distillation: 1.5}"
    ),
    "full + car_ft": "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, car_ft: 1.0}",
    "full + lipsum_ft": "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, lipsum_ft: 1.0}",
    "full + orthogonality": "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, orthogonality: 0.2}",
    "flyp + carot": (
        "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, orthogonality: 0.2,"
        " self_distillation: 1.5, cross_norm: 0.05}"
    ),
    "lora": "optim: {lr: 1.0e-3, epochs: 8, batch_size: 64}",
    "bitfit": "optim: {lr: 1.0e-3, epochs: 8, batch_size: 64}",
    "norm_tuning": "optim: {lr: 1.0e-3, epochs: 8, batch_size: 64}",
    "prompt_tuning": "",
    "visual_projection": "",
}
DOMAINS = ("emoji", "outline", "solid", "colour", "silhouette")
PACS = {"test": "photo", "art": "art_painting", "cartoon": "cartoon", "sketch": "sketch"}
METHODS = (
    "linear_probe",
    "clap",
    "visual_projection",
    "lora",
    "full",
    "full + feature_distillation",
    "flyp",
)
"""Run on every task."""
ALSO = (
    "lp_ft",
    "full + l2_sp",
    "full + self_distillation",
    "full + car_ft",
    "full + lipsum_ft",
    "full + orthogonality",
    "flyp + carot",
)
"""Run on the tasks that the rule for alpha was chosen on."""
PAINTINGS = {"test": "art_painting", "photo": "photo", "cartoon": "cartoon", "sketch": "sketch"}
CHOSEN_ON = ("pictograms", "pacs")
TASKS = (*CHOSEN_ON, "outlines", "paintings")
ALPHAS = alpha_grid(6)
HELD_OUT, CORRUPTED, OTHER = 0.4, 60, 200
"""Fraction of the training images, images of val, and at most so many images of other classes."""
KNOWN_CLASSES = 24
TRAIN_IMAGES, SHIFT_IMAGES = 75, 40
"""Of each class of PACS, in photos to learn from and in each shifted domain: small data, and a run
that takes two minutes."""


@dataclass
class Benchmark:
    """Tables of one benchmark, written under a folder."""

    train: dict[str, Any]
    evals: dict[str, dict[str, Any]]
    classes: Path | None


def _table(path: Path, root: Path, files: list[tuple[str, str]]) -> dict[str, Any]:
    pd.DataFrame(files, columns=["path", "label"]).to_csv(path, index=False)
    return {"kind": "table", "path": str(path), "root": str(root)}


def pictograms(folder: Path) -> Benchmark:
    """24 classes to adapt to; 8 kept back."""
    root = EMBEDDED / "pictograms"
    names = sorted(path.name for path in (root / "emoji" / "train").iterdir() if path.is_dir())
    words = yaml.safe_load((root / "classes.yaml").read_text(encoding="utf-8"))
    known, other = names[:KNOWN_CLASSES], names[KNOWN_CLASSES:]
    for part, chosen in (("known", known), ("other", other)):
        text = yaml.safe_dump({name: words[name] for name in chosen if name in words})
        (folder / f"{part}.yaml").write_text(text, encoding="utf-8")

    def listed(domain: str, split: str, chosen: list[str]) -> dict[str, Any]:
        files = [
            (str(path.relative_to(root)), name)
            for name in chosen
            for path in sorted((root / domain / split / name).glob("*.png"))
        ]
        place = folder / f"{domain}-{split}-{'known' if chosen == known else 'other'}.csv"
        return _table(place, root, files)

    evals = {
        "test" if domain == "emoji" else domain: listed(domain, "test", known) for domain in DOMAINS
    }
    kept = listed("outline", "test", other)
    evals["other"] = {**kept, "retention": True, "classes": str(folder / "other.yaml")}
    return Benchmark(listed("emoji", "train", known), evals, folder / "known.yaml")


def pacs(folder: Path, root: Path, domains: dict[str, str] | None = None) -> Benchmark:
    """Photos to adapt to, split by the data; as many of each class, but for the test photos.

    Args:
        folder: For the tables.
        root: Of the images.
        domains: By the name of the test set; that of `test` is adapted to. `PACS` without it.
    """
    domains = domains or PACS
    manifest = pd.read_csv(root / "manifest.csv")
    manifest["domain"] = manifest["path"].str.split("/").str[0]
    tables = {}
    for domain, whole in manifest.groupby("domain"):
        shuffled = whole.sample(frac=1, random_state=0)
        if domain == domains["test"]:
            train = shuffled[shuffled["split"] == "train"].groupby("label").head(TRAIN_IMAGES)
            rows = pd.concat([train, shuffled[shuffled["split"] != "train"]]).sort_values("path")
        else:
            rows = shuffled.groupby("label").head(SHIFT_IMAGES).sort_values("path")
        place = folder / f"{domain}.csv"
        rows[["path", "label", "split"]].to_csv(place, index=False)
        tables[domain] = {"kind": "table", "path": str(place), "root": str(root.resolve())}
    evals = {name: dict(tables[domain]) for name, domain in domains.items()}
    evals["test"]["split"] = "val"
    outlines = {"kind": "embedded", "name": "pictograms", "domain": "outline", "split": "test"}
    evals["other"] = {**outlines, "retention": True}
    return Benchmark({**tables[domains["test"]], "split": "train"}, evals, None)


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


def recipe_of(benchmark: Benchmark, method: str, seed: int) -> dict[str, Any]:
    """One run, as a recipe."""
    settings = yaml.safe_load("{" + SETTINGS[method] + "}")
    data: dict[str, Any] = {
        "train": benchmark.train,
        "val": {"from": "train", "fraction": HELD_OUT},
    }
    if benchmark.classes is not None:
        data["classes"] = str(benchmark.classes)
    return {
        "version": 1,
        "name": "robust",
        "seed": seed,
        "model": {"arch": "adapt-icons-xs", "pretrained": "embedded"},
        "data": data,
        "method": {"name": method.split(" + ")[0], **settings},
        "evals": benchmark.evals,
        "runtime": {"precision": "32"},
    }


@dataclass
class Task:
    """Images of one task and seed, decoded once and shared by all methods."""

    recipe: Path
    store: FeatureStore = field(default_factory=FeatureStore)

    @cached_property
    def data(self) -> RunData:
        """Train, val, tests and retention sets."""
        return build_data(load(self.recipe).recipe)

    @cached_property
    def start(self) -> Classifier:
        """The zero-shot model."""
        setup, train = load(self.recipe).recipe, self.data.fit.train
        names = [train.classes[key] for key in self.data.fit.class_names]
        return Classifier.from_clip(setup.model.arch, setup.model.pretrained, names)

    @cached_property
    def splits(self) -> list[Split]:
        """Val in a random order, corruptions of its first images, and the tests."""
        setup, val = load(self.recipe).recipe, self.data.fit.val
        assert val is not None
        val = val.subset(np.random.default_rng(setup.seed).permutation(len(val)))
        shifts = [Shift(kind, SEVERITY) for kind in CORRUPTIONS]
        first = val.subset(list(range(min(CORRUPTED, len(val)))))
        runtime = setup.runtime
        corrupted = HeldOutSets.read(self.start, first, runtime, shifts).corrupted
        tests = self.data.evals.items()
        whole = Split.read("val", val, self.start, runtime)
        return [whole, *corrupted, *(Split.read(n, own, self.start, runtime) for n, own in tests)]

    def kept(self, line: Line) -> dict[str, np.ndarray]:
        """By retention set, the accuracy on it at each alpha (A,)."""
        setup, accuracies = load(self.recipe).recipe, {}
        for name, images in self.data.retention.items():
            prompts = retention_prompts(images, setup.model.templates)
            first = zero_shot_on(self.start, images.class_names, prompts)
            drawn = np.random.default_rng(0).permutation(len(images))[:OTHER]
            split = Split.read(name, images.subset(np.sort(drawn)), first, setup.runtime)
            along = [ALPHAS[0]] if line.only_heads else ALPHAS
            models = (zero_shot_on(line.at(a), images.class_names, prompts) for a in along)
            logits = [predict_logits(model, split.pixels, setup.runtime) for model in models]
            right = [float((own.argmax(1) == split.targets).mean()) for own in logits]
            accuracies[f"retention/{name}"] = np.resize(right, len(ALPHAS))
        return accuracies

    def record(self, recipe: Path, lines: bool) -> dict[str, np.ndarray]:
        """Train, and the logits of every set at every alpha.

        Args:
            recipe: Names the method.
            lines: Whether lines with more freedom are recorded too.
        """
        loaded = load(recipe)
        setup = loaded.recipe
        context = Context(setup.runtime, setup.seed, setup.data.augmentation, quiet=True)
        began = time.process_time()
        tuned = loaded.method.fit(self.start, self.data.fit, context)
        stored = {"seconds": np.array(time.process_time() - began)}
        line = Line(self.start, tuned, setup.runtime, self.store)
        along = [line.logits(alpha, self.splits) for alpha in ALPHAS]
        for number, split in enumerate(self.splits):
            stored[f"logits/{split.name}"] = np.stack([logits[number] for logits in along])
            stored[f"targets/{split.name}"] = split.targets
        stored |= self.kept(line)
        if lines:
            sets = {"val": self.splits[0].images, **self.data.evals}
            stored |= alpha_lines.record(self.start, tuned, sets, ALPHAS, setup.runtime)
        return stored


def wanted(given: argparse.Namespace) -> Iterator[tuple[int, str, list[str]]]:
    """Methods by seed and task, the first seed of every task first."""
    for seed, also in itertools.product(range(given.seeds), (False, True)):
        for task in given.tasks:
            known = [] if also and task not in CHOSEN_ON else ALSO if also else METHODS
            if methods := [method for method in known if method in given.methods]:
                yield seed, task, methods


def collect(given: argparse.Namespace) -> None:
    """Make what is missing."""
    for seed, name, methods in wanted(given):
        folder, task = given.store / name, None
        for method in methods:
            out = folder / f"{method.replace(' + ', '-')}-{seed}.npz"
            if out.is_file():
                continue
            path = out.with_suffix(".yaml")
            made = benchmark(name, folder / "tables", given.pacs)
            path.write_text(yaml.safe_dump(recipe_of(made, method, seed), sort_keys=False), "utf-8")
            task = task or Task(path)
            torch.manual_seed(seed)
            stored = task.record(path, given.lines)
            np.savez(out.with_suffix(".part.npz"), **stored)
            out.with_suffix(".part.npz").rename(out)
            right = [
                float((stored[f"logits/{n}"][-1].argmax(1) == stored[f"targets/{n}"]).mean())
                for n in ("val", "test")
            ]
            print(name, seed, method, np.round(right, 3), round(time.process_time()), flush=True)


def main() -> None:
    """Make the runs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--pacs", type=Path)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--methods", nargs="*", default=[*METHODS, *ALSO])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lines", action="store_true", help="also lines with more freedom")
    collect(parser.parse_args())


if __name__ == "__main__":
    main()
