"""Checkpoints of one training and several seeds as members: a table in `docs/benchmarks/soup.md`.

    python -m bench.members docs/benchmarks/soup.md --folder MEMBERS

Trains a recipe once for each seed on the same images, keeps checkpoints on the way, and scores what
they average to on the test sets: the average itself, and the point that the default rule chooses
on the line to it. What is trained and measured is kept, so the script goes on where it was stopped.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adapt.ensembling.choose import alpha_grid, choose_alpha
from adapt.ensembling.held_out import HeldOutSets, JudgedLine
from adapt.ensembling.line import Line, mix
from adapt.ensembling.settings import Ensemble
from adapt.ensembling.soups import soup
from adapt.evaluation.evaluate import evaluate
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import load
from adapt.training.context import Context
from bench.document import rewrite_below

MARKER = "<!-- Below this line: written by bench/members.py -->"
CHECKPOINTS = 4
Row = dict[str, float]


@dataclass
class Kept:
    """Checkpoints of one training as bundles."""

    folder: Path
    count: int
    kept: int = 0

    def keep(self, model: Classifier) -> None:
        """Save a model."""
        model.save(self.folder / f"model {self.kept}")
        self.kept += 1


class Trained:
    """The members of all seeds, trained where they are not kept."""

    def __init__(self, recipe: str, seeds: list[int], folder: Path) -> None:
        loaded = load(recipe)
        self.recipe, self.method = loaded.recipe, loaded.method
        self.data: RunData = build_data(loaded.recipe)
        model, train = loaded.recipe.model, self.data.fit.train
        names = [train.classes[key] for key in self.data.fit.class_names]
        self.start = Classifier.from_clip(model.arch, model.pretrained, names, model.templates)
        self.folder = folder
        for seed in seeds:
            self._train(seed)

    def _train(self, seed: int) -> None:
        folder = self.folder / str(seed)
        kept = Kept(folder, CHECKPOINTS - 1)
        if (folder / f"model {kept.count}").is_dir():
            return
        runtime = replace(self.recipe.runtime, checkpoint_minutes=1)
        context = Context(runtime, seed, self.recipe.data.augmentation, folder, resume=True)
        began = time.perf_counter()
        kept.keep(self.method.fit(self.start, self.data.fit, replace(context, trajectory=kept)))
        print(f"seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)

    def members(self, seeds: list[int], last: bool) -> list[Path]:
        """Of some seeds the results alone, or all checkpoints."""
        numbers = range(CHECKPOINTS - 1 if last else 0, CHECKPOINTS)
        return [self.folder / str(seed) / f"model {number}" for seed in seeds for number in numbers]


def averaged(trained: Trained, members: list[Path], how: str) -> Classifier:
    """The soup of members, or the only one."""
    assert trained.data.fit.val is not None
    if len(members) == 1:
        return Classifier.load(members[0]).with_temperature(1.0)
    model, _ = soup(members, trained.data.fit.val, how, trained.start)
    return model.with_temperature(1.0)


def measured(trained: Trained, model: Classifier) -> Row:
    """Accuracy in % of the model and of the point that is chosen on the line to it."""
    data, runtime = trained.data, trained.recipe.runtime
    assert data.fit.val is not None
    sets = HeldOutSets.read(trained.start, data.fit.val, runtime)
    held = JudgedLine(Line(trained.start, model, runtime), sets).visit_all(alpha_grid(11))
    alpha = choose_alpha(held.evidence(), Ensemble().rule)
    models = {"adapted": model, "chosen": mix(trained.start, model, alpha)}
    row = {"alpha": alpha}
    for name, scores in evaluate(models, data.evals, runtime).items():
        test, *shifts = [100 * scores[split]["accuracy"] for split in data.evals]
        row |= {f"{name} test": test, f"{name} shifts": float(np.mean(shifts))}
    return row


def ways(trained: Trained, seeds: list[int]) -> dict[str, list[Callable[[], Classifier]]]:
    """What is averaged, each once or once for each seed."""

    def made(some: list[int], last: bool, how: str) -> Callable[[], Classifier]:
        return lambda: averaged(trained, trained.members(some, last), how)

    each = [[seed] for seed in seeds]
    several, count = f"{{seeds: {len(seeds)}}}", f"checkpoints: {CHECKPOINTS}"
    return {
        "1": [made(one, True, "uniform") for one in each],
        f"{{{count}}}, uniform": [made(one, False, "uniform") for one in each],
        f"{{{count}}}, greedy": [made(one, False, "greedy") for one in each],
        f"{several}, uniform": [made(seeds, True, "uniform")],
        f"{several}, greedy": [made(seeds, True, "greedy")],
        f"{several[:-1]}, {count}}}, uniform": [made(seeds, False, "uniform")],
        f"{several[:-1]}, {count}}}, greedy": [made(seeds, False, "greedy")],
    }


def document(recipe: str, seeds: list[int], cells: dict[str, Row]) -> list[str]:
    """One line for each way."""
    columns = [f"{name} {what}" for name in ("adapted", "chosen") for what in ("test", "shifts")]
    lines = [
        "",
        f"`{recipe}`, seeds {', '.join(map(str, seeds))}, one split; accuracy in %, mean "
        "(lowest..highest). Adapted: the average itself; chosen: at the alpha of the default rule.",
        "",
        f"| members | trainings | alpha | {' | '.join(columns)} |",
        "|---" + "|---:" * (2 + len(columns)) + "|",
    ]
    for way in dict.fromkeys(key.split("|")[0] for key in cells):
        rows = [row for key, row in cells.items() if key.split("|")[0] == way]
        trainings = len(seeds) if "seeds" in way else 1
        shown = " | ".join(spread([row[column] for row in rows]) for column in columns)
        alphas = ", ".join(f"{row['alpha']:g}" for row in rows)
        lines.append(f"| `{way}` | {trainings} | {alphas} | {shown} |")
    return lines


def spread(values: list[float]) -> str:
    """Mean, and range of several."""
    several = f" ({min(values):.1f}..{max(values):.1f})" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{several}"


def main() -> None:
    """Train and measure what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="quickstart")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only-train", action="store_true")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    trained = Trained(given.recipe, given.seeds, given.folder)
    file = given.folder / "cells.json"
    cells: dict[str, Row] = json.loads(file.read_text()) if file.is_file() else {}
    for way, models in {} if given.only_train else ways(trained, given.seeds).items():
        for number, make in enumerate(models):
            if f"{way}|{number}" not in cells:
                cells[f"{way}|{number}"] = measured(trained, make())
                file.write_text(json.dumps(cells))
                print(way, number, cells[f"{way}|{number}"], flush=True)
    if cells:
        rewrite_below(given.out, MARKER, document(given.recipe, given.seeds, cells))


if __name__ == "__main__":
    main()
