"""Every few-shot method x shots x draws, and what `auto` takes: accuracy, seconds, harm.

    python -m bench.few_shot --features CLIP_FEATURES --clothing CLOTHING --cells cells OUT.md

Sets: features of a real CLIP (Caltech-101 and Pets: the classes that have a text; Caltech-101, Pets
and DTD, all classes: no text, so all have one direction and zero-shot knows nothing), and features
of the embedded model for its own drawings (emoji) and for photos of clothing, which it was never
trained for. A draw is so many images of each class; a method sees it alone, with its default
settings, and the test images are scored once for each fit. Methods that tune an encoder need images
and minutes: named by `--methods` they run on draws of emoji and clothing. Each cell is kept in a
file, so the script can be stopped and goes on.
"""

import argparse
import itertools
import json
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from scipy.stats import t as student

import adapt
from adapt.data.image_data import ImageData
from adapt.data.sources.tables import from_table
from adapt.methods.auto.method import Auto
from adapt.methods.auto.mixture import MIXTURE
from adapt.methods.features.named import feature_methods
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.encode import image_features, predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from bench.document import rewrite_below
from bench.few_shot_features import BASELINES, NAMED, SETS, Cell, only, read, scores, texts
from bench.few_shot_figures import Comparison, figures

SHOTS, DRAWS = (1, 2, 4, 8, 16), 5
AUTO = "auto"
TUNED = ("visual_projection", "two_stage", "clip_lora")
MARKER = "<!-- Below this line: written by bench/few_shot.py -->"


@dataclass(frozen=True)
class ImageCell(Cell):
    """A set whose images are at hand."""

    start: Classifier
    train_images: adapt.Images
    test_images: adapt.Images

    def tuned(self, method: str, shots: int, seed: int) -> tuple[float, float]:
        """Test accuracy in %, and CPU seconds of the fit."""
        rows, runtime = self.chosen(shots, seed).numpy(), Runtime(accelerator="cpu", workers="0")
        data = ImageData(self.train_images.subset(rows), None)
        began = time.process_time()
        fitted = adapt.method(method).fit(self.start, data, Context(runtime, seed, quiet=True))
        seconds = time.process_time() - began
        pixels = prepare(self.test_images, self.start.backbone.preprocessing, runtime)
        right = predict_logits(fitted, pixels, runtime).argmax(1) == self.test[1].numpy()
        return 100 * float(right.mean()), seconds


def embedded_cell(name: str, train: adapt.Images, test: adapt.Images) -> ImageCell:
    """Features of the embedded model, with its text head."""
    names = [train.classes[key] for key in train.class_names]
    start = Classifier.from_clip("adapt-icons-xs", "embedded", names)
    runtime = Runtime()

    def part(images: adapt.Images) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = prepare(images, start.backbone.preprocessing, runtime)
        targets = torch.from_numpy(images.targets(start.class_names))
        return image_features(start.backbone, pixels, runtime), targets

    text = torch.nn.functional.normalize(start.head.weight.detach(), dim=1)
    return ImageCell(name, part(train), part(test), text, "common", start, train, test)


def cells(features: Path, clothing: Path) -> Iterator[Cell]:
    """All sets."""
    for name in NAMED:
        train, test = read(features / f"{name}.npz")
        numbers, directions = texts(features, name)
        parts = only(train, numbers), only(test, numbers)
        yield Cell(f"{name}, with text", *parts, directions, "common")
    for name in SETS:
        yield Cell(f"{name}, no text", *read(features / f"{name}.npz"), None, "common")
    emoji = [
        adapt.Images.from_embedded("pictograms", "emoji", split) for split in ("train", "test")
    ]
    yield embedded_cell("emoji", *emoji)
    parts = [from_table(clothing / "manifest.csv", None, split) for split in ("train", "test")]
    yield embedded_cell("clothing", *parts)


def path(folder: Path, cell: Cell, shots: int, seed: int, method: str) -> Path:
    """Where a cell is kept."""
    return folder / f"{cell.name.replace(', ', '-')}-{shots}-{seed}-{method}.json"


def measured(folder: Path, cell: Cell, shots: int, seed: int, method: str) -> dict[str, float]:
    """Accuracy in %, CPU seconds; of `auto` also its choice. Read again when it is there."""
    place = path(folder, cell, shots, seed, method)
    if place.is_file():
        found: dict[str, float] = json.loads(place.read_text())
        return found
    support, began = cell.support(shots, seed), time.process_time()
    if method in TUNED:
        assert isinstance(cell, ImageCell)
        accuracy, seconds = cell.tuned(method, shots, seed)
        content = {"accuracy": accuracy, "seconds": seconds}
    elif method == AUTO:
        ranking = Auto().rank(support)
        content = {"choice": ranking.best, "seconds": time.process_time() - began}
    else:
        accuracy, seconds = scores(method, support, cell.test)
        content = {"accuracy": accuracy, "seconds": seconds}
    folder.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(content))
    return content  # type: ignore[return-value]


def interval(values: list[float]) -> str:
    """Mean and half of its 95 % interval over draws; of fewer than three the mean alone."""
    if len(values) < 3:
        return f"{statistics.fmean(values):.1f}"
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


def values(found: Results, name: str, shots: int, method: str) -> list[float]:
    """Accuracy of each draw that was measured."""
    each = (accuracy(found, name, shots, seed, method) for seed in draws_of(found))
    return [value for value in each if value is not None]


def shots_of(found: Results) -> list[int]:
    """Numbers of images a class that were measured."""
    return sorted({key[1] for key in found})


def draws_of(found: Results) -> list[int]:
    """Draws that were measured."""
    return sorted({key[2] for key in found})


def slowest(found: Results, method: str, name: str | None = None) -> float:
    """CPU seconds of the longest fit; of `auto` the ranking and the fit of its choice."""
    longest = 0.0
    for (own, shots, seed, by), cell in found.items():
        if by == method and name in (None, own):
            chosen = found.get((own, shots, seed, str(cell.get("choice"))), {"seconds": 0.0})
            longest = max(longest, cell["seconds"] + chosen["seconds"] * (method == AUTO))
    return longest


def rows_of(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["", *(f"| {' | '.join(line)} |" for line in lines), ""]


def below(found: Results, method: str, names: list[str]) -> str:
    """Cells whose test accuracy is below zero-shot's, of how many."""
    lost = count = 0
    for name, shots, seed in itertools.product(names, shots_of(found), draws_of(found)):
        own = accuracy(found, name, shots, seed, method)
        base = accuracy(found, name, shots, seed, BASELINES[0])
        if own is not None and base is not None:
            lost, count = lost + (own < base), count + 1
    return f"{lost} of {count}"


def overall(found: Results, names: list[str], methods: list[str]) -> list[str]:
    """Means over the sets by shots, and over everything, of methods without a missing cell."""
    head = ["method", *map(str, shots_of(found)), "mean", "below zero-shot", "slowest, CPU s"]
    rows, draws = [], len(draws_of(found))
    for method in methods:
        cells = [
            [values(found, name, shots, method) for name in names] for shots in shots_of(found)
        ]
        if any(len(own) < draws for column in cells for own in column):
            continue
        means = [statistics.fmean(statistics.fmean(own) for own in column) for column in cells]
        shown = [f"{value:.2f}" for value in [*means, statistics.fmean(means)]]
        rows.append([method, *shown, below(found, method, names), f"{slowest(found, method):.1f}"])
    return rows_of(head, rows)


def choices(found: Results) -> str:
    """How often `auto` took which method."""
    taken = Counter(str(own["choice"]) for key, own in found.items() if key[3] == AUTO)
    return ", ".join(f"{name} {count}" for name, count in taken.most_common())


def by_set(found: Results, name: str, methods: list[str]) -> list[str]:
    """Accuracy by shots on one set; the number of draws where they are not all there."""
    rows = []
    for method in methods:
        cells = []
        for shots in shots_of(found):
            own = values(found, name, shots, method)
            few = f" ({len(own)})" if 0 < len(own) < len(draws_of(found)) else ""
            cells.append(interval(own) + few if own else "")
        if any(cells):
            rows.append([method, *cells, f"{slowest(found, method, name):.1f}"])
    return rows_of(["method", *map(str, shots_of(found)), "slowest, CPU s"], rows)


def report(found: Results, names: list[str], methods: list[str]) -> list[str]:
    """All tables."""
    draws = len(draws_of(found))
    lines = [f"## All sets, mean of {draws} draws", *overall(found, names, methods)]
    lines += [f"`auto` took: {choices(found)}.", ""]
    compared = Comparison(
        partial(accuracy, found), names, shots_of(found), draws_of(found), methods
    )
    singles = [name for name in methods if name not in (BASELINES[0], MIXTURE, AUTO)]
    lines += figures(compared, AUTO, BASELINES[0], singles)
    for name in names:
        lines += [f"## {name}", *by_set(found, name, [*methods, *TUNED])]
    return lines[:-1]


def read_finished(folder: Path, sets: list[Cell], given: argparse.Namespace) -> Results:
    """Every cell that was measured of these shots and draws."""
    found, methods = Results(), [*BASELINES, *feature_methods(), MIXTURE, AUTO, *TUNED]
    for cell, shots, seed, method in itertools.product(
        sets, given.shots, range(given.draws), methods
    ):
        if path(folder, cell, shots, seed, method).is_file():
            found[cell.name, shots, seed, method] = measured(folder, cell, shots, seed, method)
    return found


def main() -> None:
    """Measure what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--clothing", type=Path, required=True)
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--shots", type=int, nargs="*", default=list(SHOTS))
    known = [*BASELINES, *feature_methods(), MIXTURE, AUTO]
    parser.add_argument("--methods", nargs="+", default=known, help="all that work on features")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    # One image of each class looks like a regression to scikit-learn.
    warnings.filterwarnings("ignore", "The number of unique classes")
    sets = list(cells(given.features, given.clothing))
    for seed, shots, cell in itertools.product(range(given.draws), given.shots, sets):
        for method in given.methods:
            if method not in TUNED or isinstance(cell, ImageCell):
                measured(given.cells, cell, shots, seed, method)
        print(seed, shots, cell.name, flush=True)
    found = read_finished(given.cells, sets, given)
    rewrite_below(given.out, MARKER, report(found, [cell.name for cell in sets], known))


if __name__ == "__main__":
    main()
