"""What each rule for alpha would have chosen, replayed on stored outputs of many runs.

    python -m bench.alpha_rules collect --pacs PACS --store STORE [--seeds 3]
    python -m bench.alpha_rules table --store STORE --out docs/benchmarks/alpha_rules.md

`collect` trains each method on each task and keeps the logits of val, of corruptions of a part of
val, and of all test sets at each alpha. A run that is there is not made again. Two fifths of the
training images are held out, so that val of 40 up to all of them can be replayed. Rules are fitted
and chosen on the first two tasks (`CHOSEN_ON`) alone; the others were never looked at before.
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from adapt.data.shifts.shift import Shift
from adapt.data.sources.embedded import EMBEDDED
from adapt.ensembling.choose import alpha_grid
from adapt.ensembling.held_out import HeldOut, HeldOutSets
from adapt.ensembling.line import Line
from adapt.ensembling.rules.base import RULES, Evidence, nearest
from adapt.ensembling.rules.likelihood_gain import keeping
from adapt.ensembling.settings import CORRUPTIONS, SEVERITY, Ensemble
from adapt.evaluation.evaluate import Split
from adapt.models.classifier import Classifier
from adapt.recipe.data import build_data
from adapt.recipe.load import load
from adapt.training.context import Context
from bench import alpha_lines
from bench.document import rewrite_below
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


SIZES = (40, 100, 0)
"""Val images that a rule sees; 0 is all."""
KEPT = (0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
MARKER = "<!-- Below this line: written by bench/alpha_rules.py -->"
Choose = Callable[[Evidence], float]


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
    return stored | alpha_lines.record(start, tuned, {"val": val, **data.evals}, ALPHAS, runtime)


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


@dataclass
class Replay:
    """One stored run: what a rule sees of it, and what its choice is worth."""

    task: str
    method: str
    val: HeldOut
    test: dict[float, float]
    """Accuracy on the test set by alpha, in points."""
    shifts: dict[float, float]
    """Mean accuracy on the shifts."""

    @classmethod
    def read(cls, path: Path) -> "Replay":
        """From the file of a run."""
        with np.load(path) as stored:
            names = [name[7:] for name in stored.files if name.startswith("logits/")]
            logits = {name: stored[f"logits/{name}"] for name in names}
            targets = {name: stored[f"targets/{name}"] for name in names}
        right = {name: logits[name].argmax(2) == targets[name] for name in names}
        corruptions = {f"{kind}_{SEVERITY}" for kind in CORRUPTIONS}
        shifts = [name for name in names if name not in {"val", "test", *corruptions}]
        held = HeldOut(
            targets["val"],
            dict(zip(ALPHAS, logits["val"], strict=True)),
            {kind: dict(zip(ALPHAS, right[kind], strict=True)) for kind in sorted(corruptions)},
            np.arange(len(targets[min(corruptions)])),
        )
        points = {name: 100 * right[name].mean(1) for name in names}
        means = np.mean([points[name] for name in shifts], axis=0)
        return cls(
            path.parent.name,
            path.stem.rpartition("-")[0],
            held,
            dict(zip(ALPHAS, points["test"].tolist(), strict=True)),
            dict(zip(ALPHAS, means.tolist(), strict=True)),
        )

    def evidence(self, size: int) -> Evidence:
        """What a rule sees when val has so many images."""
        count = size or len(self.val.targets)
        sample = self.val.sample
        assert sample is not None
        return HeldOut(
            self.val.targets[:count],
            {alpha: logits[:count] for alpha, logits in self.val.logits.items()},
            {
                kind: {alpha: hits[:count] for alpha, hits in along.items()}
                for kind, along in self.val.corrupted.items()
            },
            sample[sample < count],
        ).evidence()

    def worth(self, alpha: float) -> tuple[float, float, float]:
        """Points below the best of the line on the shifts and on test, and alpha."""
        lost = max(self.shifts.values()) - self.shifts[alpha]
        return lost, max(self.test.values()) - self.test[alpha], alpha


def tried() -> dict[str, Choose]:
    """Every rule, the shares of the gain, and alphas that look at nothing."""
    rules: dict[str, Choose] = {name: own.choose for name, own in RULES.table().items()}
    rules |= {f"gain, {kept:g} kept": partial(keeping, kept=kept) for kept in KEPT}
    for prior in (0.6, 0.8):
        rules[f"most likely, half way to {prior:g}"] = partial(_half_way, prior=prior)
    rules |= {f"always {alpha:g}": lambda _, alpha=alpha: alpha for alpha in ALPHAS[2:]}
    return rules


def _half_way(evidence: Evidence, prior: float) -> float:
    best = RULES.table()["likelihood"].choose(evidence)
    return nearest(sorted(evidence.accuracy), (best + prior) / 2)


def rows(runs: Sequence[Replay], seen: Sequence[Mapping[int, Evidence]]) -> list[str]:
    """One line for each rule: means over runs, with their worst, for each size of val."""
    titles = [f"val of {size}" if size else "all of val" for size in SIZES]
    lines = [
        f"| rule | {' | '.join(titles)} | worst on the shifts | mean alpha |",
        "|---|" + "---:|" * (len(SIZES) + 2),
    ]
    for name, choose in tried().items():
        worth = {
            size: np.array(
                [run.worth(choose(own[size])) for run, own in zip(runs, seen, strict=True)]
            )
            for size in SIZES
        }
        cells = [f"{own[:, 0].mean():.1f} / {own[:, 1].mean():.1f}" for own in worth.values()]
        worst = max(own[:, 0].max() for own in worth.values())
        alpha = np.mean([own[:, 2].mean() for own in worth.values()])
        lines.append(f"| {name} | {' | '.join(cells)} | {worst:.1f} | {alpha:.2f} |")
    return lines


def document(store: Path) -> list[str]:
    """Tables of the tasks that rules were chosen on, of the others, and of single methods."""
    paths = sorted(store.glob("*/*[0-9].npz"))
    runs = [Replay.read(path) for path in paths]
    seen = [{size: run.evidence(size) for size in SIZES} for run in runs]
    pairs = list(zip(runs, seen, strict=True))
    lines = []
    for title, wanted in (("Tasks that the rule was chosen on", True), ("Other tasks", False)):
        own = [pair for pair in pairs if (pair[0].task in CHOSEN_ON) == wanted]
        if own:
            lines += ["", f"## {title}", "", _counted([run for run, _ in own]), ""]
            lines += rows(*zip(*own, strict=True))
    lines += ["", "## Lines with more freedom", ""]
    for size, wanted in itertools.product(SIZES, (True, False)):
        own = [path for path in paths if (path.parent.name in CHOSEN_ON) == wanted]
        read = partial(alpha_lines.choices, alphas=ALPHAS, size=size, others={"val", "test"})
        if made := [choices for choices in map(read, own) if choices]:
            where = "first tasks" if wanted else "other tasks"
            title = f"{f'val of {size}' if size else 'all of val'}, {where}:"
            lines += [title[0].upper() + title[1:], "", *alpha_lines.table(made), ""]
    lines += ["## By method, all of val", "", *by_method(pairs)]
    return lines


def _counted(runs: Sequence[Replay]) -> str:
    counts = Counter(run.task for run in runs)
    return f"{len(runs)} runs: {', '.join(f'{task} {n}' for task, n in sorted(counts.items()))}."


def by_method(pairs: Sequence[tuple[Replay, Mapping[int, Evidence]]]) -> list[str]:
    """What the default rule and both ends are worth for each method."""
    default = RULES.table()[Ensemble().rule].choose
    lines = [
        "| task | method | runs | alpha | shifts: rule, ends, best | test: rule, ends, best |",
        "|---|---|---:|---|---|---|",
    ]
    for key in sorted({(run.task, run.method) for run, _ in pairs}):
        own = [(run, seen) for run, seen in pairs if (run.task, run.method) == key]
        alphas = [default(seen[0]) for _, seen in own]
        cells = []
        for kind in ("shifts", "test"):
            along = [getattr(run, kind) for run, _ in own]
            picked = [values[alpha] for values, alpha in zip(along, alphas, strict=True)]
            ends = [[values[end] for values in along] for end in (0.0, 1.0)]
            parts = [picked, *ends, [max(values.values()) for values in along]]
            cells.append(", ".join(f"{np.mean(part):.1f}" for part in parts))
        shown = ", ".join(f"{alpha:g}" for alpha in alphas)
        lines.append(f"| {key[0]} | {key[1]} | {len(own)} | {shown} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Collect or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("collect", "table"))
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--pacs", type=Path)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="document of `table`")
    arguments = parser.parse_args()
    if arguments.what == "collect":
        collect(arguments)
        return
    assert arguments.out is not None, "name the document"
    rewrite_below(arguments.out, MARKER, document(arguments.store))


if __name__ == "__main__":
    main()
