"""Whether a mixture of methods is better than each of them, on features of a real CLIP.

    python -m bench.mixture --features CLIP_FEATURES --cells mixture.json docs/benchmarks/mixture.md

Draws of 1 to 16 images per class, with text and without; see `bench/few_shot_features.py`. Heads
and out-of-fold answers of the members are computed once for each draw, and mixed with several
strengths of the pull to equal weights. Without text `kernel_ridge` is also measured at a grid of
its settings, which are chosen on two sets and judged on the third. What is measured is kept, so the
script goes on where it was stopped.
"""

import argparse
import itertools
import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adapt.methods.auto.mixture import Mixture, mixing_scales
from adapt.methods.auto.out_of_fold import answers_of, folds_of
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.support import Support
from adapt.methods.heads.caches.kernel_ridge import KernelRidge
from bench.document import rewrite_below
from bench.few_shot_features import BASELINES, Cell, Part, cells, scores

SHOTS, DRAWS = (1, 2, 4, 8, 16), 5
SHRINK = {"free weights": 0.0, "mixture": Mixture().shrink, "equal weights": 1e6}
BESIDE = {"named": (BASELINES[0],), "whole": (BASELINES[1], "clap", "cross_modal")}
"""What else is measured with text and without."""
BETAS, RIDGES = (2.0, 4.0, 8.0), (0.03, 0.1, 0.3, 1.0)
MARKER = "<!-- Below this line: written by bench/mixture.py -->"
Row = dict[str, float]
Kept = dict[str, Row]


def logits_of(methods: Mapping[str, HeadMethod], support: Support, test: Part) -> dict[str, Tensor]:
    """By method, logits of the test images."""
    with torch.no_grad():
        return {name: method.head(support)(test[0]).double() for name, method in methods.items()}


def right(logits: Tensor, test: Part) -> float:
    """Test accuracy in %."""
    return 100 * float((logits.argmax(1) == test[1]).double().mean())


def measured(cell: Cell, shots: int, seed: int) -> Row:
    """Test accuracy in % of baselines, the members and their mixtures."""
    support = cell.support(shots, seed)
    members = Mixture().methods(support)
    answers = answers_of(support, members, folds_of(support))
    logits = logits_of(members, support, cell.test)
    beside = BESIDE["whole" if support.without_text else "named"]
    row = {name: scores(name, support, cell.test)[0] for name in beside}
    row |= {name: right(own, cell.test) for name, own in logits.items()}
    for name, shrink in SHRINK.items():
        scales = [1.0] * len(members)
        if answers:
            parts, targets = [answers[own][0] for own in members], answers[next(iter(members))][1]
            scales = mixing_scales(parts, targets, shrink)
        row[name] = right(_sum(scales, list(logits.values())), cell.test)
    return row


def _sum(scales: list[float], logits: list[Tensor]) -> Tensor:
    return torch.as_tensor(sum(s * own for s, own in zip(scales, logits, strict=True)))


def setting(beta: float, ridge: float) -> str:
    """Name of a setting of `kernel_ridge`."""
    return f"beta {beta:g}, ridge {ridge:g}"


def grid(cell: Cell, shots: int, seed: int) -> Row:
    """Test accuracy in % of `kernel_ridge` at each setting."""
    support = cell.support(shots, seed)
    methods: dict[str, HeadMethod] = {
        setting(*own): KernelRidge(*own, alpha=1.0) for own in itertools.product(BETAS, RIDGES)
    }
    logits = logits_of(methods, support, cell.test)
    return {name: right(own, cell.test) for name, own in logits.items()}


def means(found: Kept, kind: str, shots: int) -> dict[str, float]:
    """Over sets and draws of a kind."""
    rows = [row for key, row in found.items() if _is(key, kind, shots)]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} if rows else {}


def _is(key: str, kind: str, shots: int) -> bool:
    name, own, _ = key.split("|")
    return name.endswith(kind) and int(own) == shots


def against(found: Kept, kind: str, rival: str) -> str:
    """In how many draws the mixture is better, equal and worse."""
    rows = [row for key, row in found.items() if key.split("|")[0].endswith(kind)]
    signs = [float(np.sign(row["mixture"] - row[rival])) for row in rows]
    return ", ".join(str(signs.count(sign)) for sign in (1.0, 0.0, -1.0))


def document(found: Kept, grids: Kept) -> list[str]:
    """Tables with and without text, and of the settings."""
    lines = []
    for kind, title in (("named", "With text"), ("whole", "Without text")):
        columns = [means(found, kind, shots) for shots in SHOTS]
        known = [column for column in columns if column]
        if not known:
            continue
        sets = sorted({key.split("|")[0] for key in found if key.split("|")[0].endswith(kind)})
        lines += ["", f"## {title}: {', '.join(sets)}", ""]
        shown = [shots for shots, column in zip(SHOTS, columns, strict=True) if column]
        lines += [
            f"| method | {' | '.join(map(str, shown))} | mean | mixture better, equal, worse |"
        ]
        lines += ["|---|" + "---:|" * (len(shown) + 2)]
        for name in known[0]:
            values = [column[name] for column in known]
            cells_ = [f"{value:.2f}" for value in [*values, float(np.mean(values))]]
            lines.append(f"| {name} | {' | '.join(cells_)} | {against(found, kind, name)} |")
    return lines + (settings_table(grids) if grids else [])


def settings_table(grids: Kept) -> list[str]:
    """For each set: the setting that is best on the others, and `kernel_ridge` at it."""
    sets = sorted({key.split("|")[0] for key in grids})
    shown = " | ".join(map(str, SHOTS))
    default = setting(KernelRidge().beta, KernelRidge().ridge)
    lines = ["", "## Settings chosen on the other sets", ""]
    lines += [f"| set | setting of `kernel_ridge` | {shown} | mean |"]
    lines += ["|---|---|" + "---:|" * (len(SHOTS) + 1)]
    rows: dict[str, list[list[float]]] = {}
    for name in sets:
        others = [row for key, row in grids.items() if key.split("|")[0] != name]
        best = max(others[0], key=lambda own: float(np.mean([row[own] for row in others])))
        for kind, chosen in (("chosen on the others", best), ("default", default)):
            own = [
                [row[chosen] for key, row in grids.items() if key.split("|")[:2] == [name, str(n)]]
                for n in SHOTS
            ]
            values = [float(np.mean(draws)) for draws in own]
            rows.setdefault(kind, []).append(values)
            lines.append(_line(name, f"{kind}: {chosen}", values))
    for kind, each in rows.items():
        lines.append(_line("mean", kind, list(np.mean(each, axis=0))))
    return lines


def _line(name: str, kind: str, values: list[float]) -> str:
    shown = " | ".join(f"{value:.2f}" for value in [*values, float(np.mean(values))])
    return f"| {name} | {kind} | {shown} |"


def main() -> None:
    """Measure what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    # One image of each class looks like a regression to scikit-learn.
    warnings.filterwarnings("ignore", "The number of unique classes")
    kept: dict[str, Kept] = {"methods": {}, "grids": {}}
    if given.cells.is_file():
        kept = json.loads(given.cells.read_text())
    sets = list(cells(given.features, "common"))
    for seed, shots, cell in itertools.product(range(given.draws), SHOTS, sets):
        key = f"{cell.name}|{shots}|{seed}"
        for part, measure in (("methods", measured), ("grids", grid)):
            if key not in kept[part] and (part == "methods" or cell.text is None):
                kept[part][key] = measure(cell, shots, seed)
                given.cells.write_text(json.dumps(kept))
                shown = {name: round(value, 1) for name, value in kept[part][key].items()}
                print(key, shown, flush=True)
    rewrite_below(given.out, MARKER, document(kept["methods"], kept["grids"]))


if __name__ == "__main__":
    main()
