"""Every few-shot method x shots x draws, and what `auto` takes: accuracy, seconds, harm.

    python bench/few_shot.py --features CLIP_FEATURES --clothing CLOTHING --cells cells OUT.md

Sets: features of a real CLIP (Caltech-101 and Pets: the classes that have a text; Caltech-101, Pets
and DTD, all classes: no text, so all have one direction and zero-shot knows nothing), and features
of the embedded model for its own drawings (emoji) and for photos of clothing, which it was never
trained for. A draw is so many images of each class; a method sees it alone, with its default
settings, and the test images are scored once for each fit. Each cell is kept in a file, so the
script can be stopped and goes on.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from few_shot_features import BASELINES, NAMED, SETS, Cell, only, read, scores, texts
from scipy.stats import t as student

import adapt
from adapt.data.sources import from_embedded, from_table
from adapt.methods.auto import Auto, feature_methods
from adapt.models.classifier import Classifier
from adapt.training.features import image_features, prepare
from adapt.training.settings import Runtime

SHOTS, DRAWS = (1, 2, 4, 8, 16), 5
AUTO = "auto"
MARKER = "<!-- Below this line: written by bench/few_shot.py -->"


def embedded_cell(name: str, train: adapt.Images, test: adapt.Images) -> Cell:
    """Features of the embedded model, with its text head."""
    names = [train.classes[key] for key in train.class_names]
    start = Classifier.from_clip("adapt-icons-xs", "embedded", names)
    runtime = Runtime()

    def part(images: adapt.Images) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = prepare(images, start.backbone.preprocessing, runtime)
        targets = torch.from_numpy(images.targets(start.class_names))
        return image_features(start.backbone, pixels, runtime), targets

    text = torch.nn.functional.normalize(start.head.weight.detach(), dim=1)
    return Cell(name, part(train), part(test), text, "common")


def cells(features: Path, clothing: Path) -> Iterator[Cell]:
    """All sets."""
    for name in NAMED:
        train, test = read(features / f"{name}.npz")
        numbers, directions = texts(features, name)
        parts = only(train, numbers), only(test, numbers)
        yield Cell(f"{name}, with text", *parts, directions, "common")
    for name in SETS:
        yield Cell(f"{name}, no text", *read(features / f"{name}.npz"), None, "common")
    emoji = [from_embedded("pictograms", "emoji", split) for split in ("train", "test")]
    yield embedded_cell("emoji", *emoji)
    parts = [from_table(clothing / "manifest.csv", None, split) for split in ("train", "test")]
    yield embedded_cell("clothing", *parts)


def measured(folder: Path, cell: Cell, shots: int, seed: int, method: str) -> dict[str, float]:
    """Accuracy in %, CPU seconds; of `auto` also its choice. Read again when it is there."""
    path = folder / f"{cell.name.replace(', ', '-')}-{shots}-{seed}-{method}.json"
    if path.is_file():
        found: dict[str, float] = json.loads(path.read_text())
        return found
    support, began = cell.support(shots, seed), time.process_time()
    if method == AUTO:
        ranking = Auto().rank(support)
        content = {"choice": ranking.best, "seconds": time.process_time() - began}
    else:
        accuracy, seconds = scores(method, support, cell.test)
        content = {"accuracy": accuracy, "seconds": seconds}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return content  # type: ignore[return-value]


def interval(values: list[float]) -> str:
    """Mean and half of its 95 % interval over draws."""
    if len(values) < 2:
        return f"{values[0]:.1f}"
    error = statistics.stdev(values) / len(values) ** 0.5
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return f"{statistics.fmean(values):.1f} ±{reach:.1f}"


Results = dict[tuple[str, int, int, str], dict[str, float]]


def accuracy(found: Results, name: str, shots: int, seed: int, method: str) -> float | None:
    """Of a cell; of `auto`, that of the method it chose."""
    own = found.get((name, shots, seed, method))
    if own is None:
        return None
    if method == AUTO:
        own = found.get((name, shots, seed, str(own["choice"]).replace("zero_shot", BASELINES[0])))
    return None if own is None else own["accuracy"]


def table(
    found: Results, shots: int, names: list[str], methods: list[str], draws: int
) -> list[str]:
    """One row per method; the last columns over all sets."""
    head = ["method", *names, "mean", "below zero-shot", "slowest, CPU s"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for method in methods:
        columns, below, slowest = [], 0, 0.0
        for name in names:
            values = []
            for seed in range(draws):
                value = accuracy(found, name, shots, seed, method)
                base = accuracy(found, name, shots, seed, BASELINES[0])
                if value is None or base is None:
                    continue
                values.append(value)
                below += value < base
                slowest = max(slowest, found[name, shots, seed, method]["seconds"])
            columns.append(values)
        if not all(columns):
            continue
        mean = statistics.fmean(statistics.fmean(values) for values in columns)
        count = sum(map(len, columns))
        shown = [interval(values) for values in columns]
        shown += [f"{mean:.2f}", f"{below} of {count}", f"{slowest:.1f}"]
        lines.append(f"| {' | '.join([method, *shown])} |")
    return lines


def main() -> None:
    """Measure what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--clothing", type=Path, required=True)
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--shots", type=int, nargs="+", default=list(SHOTS))
    parser.add_argument("--methods", nargs="+", default=[*BASELINES, *feature_methods(), AUTO])
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    sets, found = list(cells(given.features, given.clothing)), Results()
    for seed, shots, cell in itertools.product(range(given.draws), given.shots, sets):
        for method in given.methods:
            found[cell.name, shots, seed, method] = measured(given.cells, cell, shots, seed, method)
        print(seed, shots, cell.name, flush=True)
    lines, names = [], [cell.name for cell in sets]
    for shots in given.shots:
        lines += [
            "",
            f"## {shots} a class",
            "",
            *table(found, shots, names, given.methods, given.draws),
        ]
    words = given.out.read_text(encoding="utf-8").split(MARKER)[0].rstrip()
    given.out.write_text("\n".join([words, "", MARKER, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
