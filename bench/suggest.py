"""What to label next: accuracy by labels for every strategy, and how often intervals cover.

    python bench/suggest.py DATA docs/benchmarks/suggest.md --stored suggest.json

`DATA` holds `pacs`, `clothing10_fs` and `clip_vitb32_features`; the embedded drawings are the
fourth set. Photos and drawings are encoded by the embedded model, with its texts as zero-shot; the
features of CLIP ViT-B/32 are those of three sets, half of whose test rows (drawn by seed) are the
pool, and nothing is known of their classes at first. A pool has at most 1,000 images. After each
round `quick_head` is fitted on all labels and scored on the test images.

With `--others` strategies of scikit-activeml are measured too (`pip install scikit-activeml`). What
is measured is kept in `--stored`, so that the script goes on where it was stopped; `--table` only
writes.
"""

import argparse
import itertools
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from multiprocessing import Pool as Processes
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from adapt.common.files import write_json
from adapt.data.images import Images
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_table
from adapt.explore.suggest.learning_curve import curves_of_classes, fitted, held_out_answers
from adapt.explore.suggest.quick_head import quick_head
from adapt.explore.suggest.strategies import mix
from adapt.explore.suggest.strategies.base import STRATEGIES, UnlabelledPool, choose
from adapt.explore.suggest.strategies.diverse import diverse
from adapt.explore.suggest.strategies.margin import margin
from adapt.explore.suggest.strategies.mix import mixed
from adapt.models.classifier import Classifier
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from bench.document import rewrite_below
from bench.few_shot_features import read

BUDGETS = (10, 25, 50, 100, 200)
SEEDS = 5
CLIP = ("caltech101", "oxford_pets", "dtd")
SETS = {"PACS photo": ["pacs"], "clothing": ["clothing"], "emoji": ["emoji"],
        "CLIP features": list(CLIP)}  # fmt: skip
PARTS = [part for parts in SETS.values() for part in parts]
LARGEST = 1000
RANDOM, DEFAULT = "random", "mix"
Choose = Callable[[UnlabelledPool, int], list[int]]
MIXES = {
    f"coverage to {enough:g} a class, then {then.__name__}": (enough, then)
    for enough in (2.0, 4.0)
    for then in (margin, diverse)
}
"""What the default was chosen from."""
SHIPPED = next(name for name, own in MIXES.items() if own == (mix.ENOUGH, mix.THEN))
OTHERS = ("UncertaintySampling", "CoreSet", "TypiClust", "DropQuery")
"""Of scikit-activeml."""
CURVE_SEEDS = 3
CURVE_LABELS = (30, 60, 120)
FEWEST_TEST = 20
"""Test images of a class whose curve is judged."""
MANY_TEST = 60
"""Test images of a class from which on a gain measured on them is known to a few points."""
CURVE_TIMES = (1.25, 1.5, 2.0, 3.0)
MARKER = "<!-- Below this line: written by bench/suggest.py -->"


def encoded(folder: Path, name: str, train: ImageList, test: ImageList) -> None:
    """Features of two sets of images under the embedded model, and its texts, in a file."""
    names = sorted(set(train.labels))
    model = Classifier.from_clip("adapt-icons-xs", "embedded", names)
    arrays = {"text": model.head.weight.detach().numpy()}
    for part, images in (("pool", train), ("test", test)):
        pixels = prepare(images, model.backbone.preprocessing, Runtime())
        arrays[f"{part}_x"] = image_features(model.backbone, pixels, Runtime()).numpy()
        arrays[f"{part}_y"] = images.targets(names)
    np.savez(folder / f"{name}.npz", **arrays)


def of_manifest(root: Path, rows: pd.DataFrame) -> ImageList:
    """The images of some rows of a manifest."""
    with tempfile.TemporaryDirectory() as folder:
        rows[["path", "label"]].to_csv(f"{folder}/rows.csv", index=False)
        return from_table(f"{folder}/rows.csv", root)


def prepare_features(data: Path, folder: Path) -> None:
    """Everything that is encoded here, once."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "emoji.npz").exists():
        drawn = [Images.from_embedded("pictograms", "emoji", part) for part in ("train", "test")]
        encoded(folder, "emoji", *drawn)
    for name, root, test in (("pacs", "pacs", "val"), ("clothing", "clothing10_fs", "test")):
        if not (folder / f"{name}.npz").exists():
            rows = pd.read_csv(data / root / "manifest.csv")
            rows = rows[rows.path.str.startswith("photo/")] if name == "pacs" else rows
            parts = (rows[rows.split != test], rows[rows.split == test])
            encoded(folder, name, *(of_manifest(data / root, part) for part in parts))


@lru_cache(8)
def arrays_of(data: Path, folder: Path, name: str, seed: int) -> dict[str, np.ndarray]:
    """`pool_x`, `pool_y`, `test_x`, `test_y` and `text` of a set and a seed."""
    random = np.random.default_rng(seed)
    if name in CLIP:
        train, test = read(data / "clip_vitb32_features" / f"{name}.npz")
        order = random.permutation(len(test[1]))
        half = len(order) // 2
        x, y = test[0].numpy(), test[1].numpy()
        common = F.normalize(train[0].mean(0), dim=0).numpy()
        text = np.repeat(100 * common[None], int(train[1].max()) + 1, axis=0)
        own = {"pool_x": x[order[:half]], "pool_y": y[order[:half]],
               "test_x": x[order[half:]], "test_y": y[order[half:]], "text": text}  # fmt: skip
    else:
        with np.load(folder / f"{name}.npz") as stored:
            own = dict(stored)
    rows = random.permutation(len(own["pool_y"]))[:LARGEST]
    return own | {"pool_x": own["pool_x"][rows], "pool_y": own["pool_y"][rows].astype(np.int64)}


def probabilities(head: nn.Linear, features: np.ndarray) -> np.ndarray:
    """Softmax of the logits, (N, K)."""
    with torch.no_grad():
        return np.asarray(torch.softmax(head(torch.from_numpy(features)).double(), 1).numpy())


def accuracy(head: nn.Linear, own: dict[str, np.ndarray]) -> float:
    """Test accuracy in %."""
    return 100 * float((probabilities(head, own["test_x"]).argmax(1) == own["test_y"]).mean())


def strategy_of(name: str) -> Choose:
    """A strategy of ours, a mix, or one of scikit-activeml."""
    if name in MIXES:
        enough, then = MIXES[name]
        return lambda pool, budget: [pick.row for pick in mixed(pool, budget, enough, then)]
    if name in STRATEGIES.table():
        return lambda pool, budget: [pick.row for pick in choose(pool, budget, name)]
    return partial(of_activeml, name)


def of_activeml(name: str, pool: UnlabelledPool, budget: int) -> list[int]:
    """The choice of a strategy of scikit-activeml, with its defaults."""
    import skactiveml.pool
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    warnings.filterwarnings("ignore", module="skactiveml")  # that nothing is labelled at first
    kind = getattr(skactiveml.pool, name.partition(": ")[2])
    x = np.concatenate([pool.labelled, pool.features])
    y = np.concatenate([pool.targets.astype(float), np.full(len(pool), np.nan)])
    given: dict[str, Any] = {"X": x, "y": y, "batch_size": budget}
    if kind.__name__ in ("UncertaintySampling", "DropQuery"):
        # Its classifiers have to be fitted by it; ours is asked for answers where it can be.
        inner = LogisticRegression(C=100, max_iter=300)
        given["clf"] = SklearnClassifier(inner, classes=range(len(pool.class_names)))
    settings = {"method": "margin_sampling"} if kind.__name__ == "UncertaintySampling" else {}
    rows = kind(random_state=pool.seed, **settings).query(**given)
    return [int(row) - len(pool.labelled) for row in rows]


def simulated(data: Path, folder: Path, job: tuple[str, str, int]) -> tuple[str, list[float]]:
    """Accuracy after each round of one strategy on one set."""
    name, strategy, seed = job
    own, pick = arrays_of(data, folder, name, seed), strategy_of(strategy)
    names = tuple(map(str, range(len(own["text"]))))
    labelled, scores = np.zeros(0, np.int64), []
    for budget in BUDGETS:
        x, y = own["pool_x"][labelled], own["pool_y"][labelled]
        head = quick_head(x, y, own["text"])
        left = np.setdiff1d(np.arange(len(own["pool_y"])), labelled)
        features = own["pool_x"][left]
        pool = UnlabelledPool(features, probabilities(head, features), x, y, names, seed)
        rows = pick(pool, min(budget - len(labelled), len(left)))
        labelled = np.concatenate([labelled, left[rows]])
        head = quick_head(own["pool_x"][labelled], own["pool_y"][labelled], own["text"])
        scores.append(accuracy(head, own))
    return "/".join(map(str, job)), scores


def covered(data: Path, folder: Path, job: tuple[str, str, int]) -> tuple[str, list[Any]]:
    """Whether intervals of the learning curve hold what comes true, for one draw of labels.

    Each entry: times as many labels, then for all images and for each class with 20 test images or
    more: accuracy in its interval, gain in its interval, width of both in points, test images.
    """
    name, labels, seed = job
    own, count = arrays_of(data, folder, name, seed), int(labels)
    order = np.random.default_rng([seed, count]).permutation(len(own["pool_y"]))
    x, y = own["pool_x"][order], own["pool_y"][order]
    answers = held_out_answers(x[:count], y[:count], own["text"], seed)
    whole, masks = fitted(answers), [np.ones(len(own["test_y"]), bool)]
    curves, of_classes = [whole], curves_of_classes(answers, y[:count], len(own["text"]))
    for number in range(len(own["text"])):
        mask, rows_of = own["test_y"] == number, y[:count] == number
        if mask.sum() >= FEWEST_TEST and rows_of.sum() >= 2:
            masks.append(mask)
            curves.append(of_classes[number])

    def right(size: int) -> list[float]:
        head = quick_head(x[:size], y[:size], own["text"])
        hits = probabilities(head, own["test_x"]).argmax(1) == own["test_y"]
        return [float(hits[mask].mean()) for mask in masks]

    now, rows = right(count), []
    for times in CURVE_TIMES:
        if times * count > len(y):
            continue
        then = right(int(times * count))
        for place, curve in enumerate(curves):
            level, gain = curve.accuracy(times)["ci"], curve.gain(times)["ci"]
            change = then[place] - now[place]
            rows.append([times, place > 0, level[0] <= then[place] <= level[1],
                         gain[0] <= change <= gain[1], 100 * (level[1] - level[0]),
                         100 * (gain[1] - gain[0]), int(masks[place].sum())])  # fmt: skip
    return "/".join(map(str, job)), rows


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that is not stored yet; stored after each."""
    path: Path = arguments.stored
    stored: dict[str, Any] = {"scores": {}, "curves": {}}
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
    if arguments.table:
        return stored
    prepare_features(arguments.data, arguments.features)
    names = [n for n in STRATEGIES.table() if n != DEFAULT] + list(MIXES)
    names += [f"skactiveml: {other}" for other in OTHERS] if arguments.others else []
    seeds = range(SEEDS)
    jobs = {
        "scores": [(part, name, s) for s in seeds for part in PARTS for name in names],
        "curves": [
            (part, str(count), s)
            for s in range(CURVE_SEEDS)
            for part in PARTS
            for count in CURVE_LABELS
        ],
    }
    with Processes(arguments.processes) as processes:
        for kind, work in (("scores", simulated), ("curves", covered)):
            if arguments.only not in ("", kind):
                continue
            left = [job for job in jobs[kind] if "/".join(map(str, job)) not in stored[kind]]
            run = partial(work, arguments.data, arguments.features)
            for key, value in processes.imap_unordered(run, left):
                stored[kind][key] = value
                write_json(path, stored, None)
    return stored


def whole_seeds(stored: dict[str, Any]) -> int:
    """For how many seeds every strategy was measured on every set."""
    keys = [key.split("/") for key in stored["scores"]]
    jobs = {tuple(key[:2]) for key in keys}
    done = {seed: sum(key[2] == str(seed) for key in keys) for seed in range(SEEDS)}
    return next((seed for seed in done if done[seed] < len(jobs)), SEEDS)


def table_of(stored: dict[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """By set and strategy, the mean accuracy at each budget; parts of a set count alike."""
    seeds = whole_seeds(stored)
    found: dict[str, dict[str, dict[str, list[list[float]]]]] = {}
    where = {part: own for own, parts in SETS.items() for part in parts}
    for key, scores in stored["scores"].items():
        part, name, seed = key.split("/")
        if int(seed) >= seeds:
            continue
        found.setdefault(where[part], {}).setdefault(name, {}).setdefault(part, []).append(scores)
    return {
        own: {
            name: np.mean([np.mean(runs, 0) for runs in parts.values()], 0)
            for name, parts in names.items()
        }
        for own, names in ((own, found[own]) for own in SETS if own in found)
    }


def gains(tables: dict[str, dict[str, np.ndarray]], name: str) -> dict[str, np.ndarray]:
    """What a strategy gains on each set over random, in points at each budget."""
    return {own: names[name] - names[RANDOM] for own, names in tables.items()}


def left_out(tables: dict[str, dict[str, np.ndarray]]) -> dict[str, str]:
    """For each set the mix that gains most on the other sets."""

    def value(name: str, without: str) -> float:
        return float(np.mean([g for own, g in gains(tables, name).items() if own != without]))

    return {own: max(MIXES, key=lambda name: value(name, own)) for own in tables}


def lines_of(stored: dict[str, Any], figure: str) -> Iterator[str]:
    """The page below its marker."""
    tables = table_of(stored)
    chosen = left_out(tables)
    shipped = SHIPPED
    judged = {own: tables[own][chosen[own]] - tables[own][RANDOM] for own in tables}
    head = f"| | {' | '.join(map(str, BUDGETS))} |\n|---|" + "---:|" * len(BUDGETS)
    yield "## The default against random\n"
    yield (
        "Mean gain in points of test accuracy over random, at each number of labels "
        f"({whole_seeds(stored)} seeds). The mix of each row was chosen on the other sets.\n"
    )
    yield head
    for own, values in judged.items():
        yield f"| {own} ({chosen[own]}) | {' | '.join(f'{v:+.1f}' for v in values)} |"
    mean = np.mean(list(judged.values()), 0)
    yield f"| **mean** | {' | '.join(f'**{v:+.1f}**' for v in mean)} |\n"
    yield f"The default as shipped ({shipped}):\n"
    yield head
    own_gains = gains(tables, shipped)
    for own, values in own_gains.items():
        yield f"| {own} | {' | '.join(f'{v:+.1f}' for v in values)} |"
    mean = np.mean(list(own_gains.values()), 0)
    yield f"| **mean** | {' | '.join(f'**{v:+.1f}**' for v in mean)} |\n"
    below = [f"{own} at {budget} ({v:+.1f})" for own, values in own_gains.items()
             for budget, v in zip(BUDGETS, values, strict=True) if v <= 0]  # fmt: skip
    worst = float(np.mean(list(own_gains.values()), 0).min())
    yield ("On the mean over the sets it beats random at every budget." if worst > 0
           else "On the mean over the sets it does not beat random at every budget.")  # fmt: skip
    yield ("On single sets it does not at: " + ", ".join(below) + ".\n" if below
           else "It does so on every single set too.\n")  # fmt: skip
    yield f"![Accuracy by labels]({figure})\n"
    yield "## Every strategy\n\nMean gain over random of the four sets, in points.\n"
    yield head
    names = sorted({n for t in tables.values() for n in t} - {RANDOM},
                   key=lambda n: -mean_gain(tables, n))  # fmt: skip
    for name in names:
        if all(name in table for table in tables.values()):
            values = np.mean(list(gains(tables, name).values()), 0)
            yield f"| {name} | {' | '.join(f'{v:+.1f}' for v in values)} |"
    yield from accuracy_lines(tables, shipped)
    yield from curve_lines(stored)


def mean_gain(tables: dict[str, dict[str, np.ndarray]], name: str) -> float:
    """Over sets and budgets; far below where a set is missing."""
    if not all(name in table for table in tables.values()):
        return -1e9
    return float(np.mean(list(gains(tables, name).values())))


def accuracy_lines(tables: dict[str, dict[str, np.ndarray]], shipped: str) -> Iterator[str]:
    """Accuracy of random and the default on each set."""
    yield "\n## Accuracy\n\nTest accuracy in %, random and then the default.\n"
    yield f"| | {' | '.join(map(str, BUDGETS))} |\n|---|" + "---:|" * len(BUDGETS)
    for own, table in tables.items():
        cells = [f"{a:.1f}, {b:.1f}" for a, b in zip(table[RANDOM], table[shipped], strict=True)]
        yield f"| {own} | {' | '.join(cells)} |"


def curve_lines(stored: dict[str, Any]) -> Iterator[str]:
    """How often intervals of the learning curve cover."""
    rows = [row for value in stored["curves"].values() for row in value]
    if not rows:
        return
    yield "\n## Do the intervals of the learning curve cover?\n"
    sizes = ", ".join(map(str, CURVE_LABELS))
    yield (f"Labels drawn by chance ({sizes} of each set, {CURVE_SEEDS} seeds), "
           "then more labels: how often accuracy on the test images, and the gain against the head "
           "of before, lie in the 95 % interval; and how wide it is, in points.\n")  # fmt: skip
    yield "| times the labels | accuracy in | width | gain in | width | draws |"
    yield "|---|---:|---:|---:|---:|---:|"
    kinds = {"": (False, 0), ", each class": (True, 0),
             f", each class with {MANY_TEST} test images": (True, MANY_TEST)}  # fmt: skip
    for (kind, (single, fewest)), times in itertools.product(kinds.items(), CURVE_TIMES):
        own = [row for row in rows if (row[0], row[1]) == (times, single) and row[6] >= fewest]
        if own:
            level, gain, wide, narrow, _ = np.array([row[2:] for row in own], float).mean(0)
            cells = f"{100 * level:.1f} % | {wide:.1f} | {100 * gain:.1f} % | {narrow:.1f}"
            yield f"| {times:g}{kind} | {cells} | {len(own):,} |"


def draw(tables: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """One panel for each set: random, the default and others."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shipped = SHIPPED
    lines = {RANDOM: ("#6b7480", "--"), shipped: ("#0072b2", "-"), "margin": ("#e69f00", ":"),
             "typicality": ("#009e73", "-."), "badge": ("#cc79a7", (0, (5, 1)))}  # fmt: skip
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6))
    for place, (panel, (own, table)) in enumerate(zip(axes, tables.items(), strict=False)):
        for name, (colour, dashes) in lines.items():
            if name in table:
                label = "mix (default)" if name == shipped else name
                panel.plot(BUDGETS, table[name], color=colour, linestyle=dashes, marker="o",
                           markersize=3, label=label)  # fmt: skip
        panel.set(title=own, xscale="log", xlabel="labels")
        panel.set_xticks(BUDGETS, map(str, BUDGETS))
        panel.minorticks_off()
        if place == 0:
            panel.set_ylabel("test accuracy in %")
            panel.legend(frameon=False, fontsize=8)
        panel.grid(color="#dfe3e8", linewidth=0.6)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Simulate what is not stored, and write the page and its figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--stored", type=Path, default=Path("suggest.json"))
    parser.add_argument("--features", type=Path, default=Path("suggest_features"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--others", action="store_true", help="scikit-activeml too")
    parser.add_argument("--only", choices=("", "scores", "curves"), default="")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stored = measure(arguments)
    figure = arguments.page.parent / "figures" / "suggest.png"
    draw(table_of(stored), figure)
    rewrite_below(arguments.page, MARKER, list(lines_of(stored, f"figures/{figure.name}")))


if __name__ == "__main__":
    main()
