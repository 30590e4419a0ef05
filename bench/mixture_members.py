"""Which members a mixture should have, and how strongly its weights are pulled to equal ones.

    python -m bench.mixture_members --features CLIP_FEATURES --clothing CLOTHING --store STORE
        docs/benchmarks/mixture_members.md

The sets are those of `bench.few_shot`. For each draw the logits of test images, and of support
images under heads that were fitted without them, are kept for each member; every mixture is made of
those. Members and pull are also chosen for each set on the others.
"""

import argparse
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from adapt.methods.auto.mixture import ENOUGH, MEMBERS, mixing_scales
from adapt.methods.auto.out_of_fold import answers_of, folds_of
from adapt.methods.features.named import feature_method
from adapt.models.heads import linear_head
from bench.document import rewrite_below
from bench.few_shot import SHOTS, cells
from bench.few_shot_features import Cell

SHRINK = (0.1, 0.3, 1.0)
TOGETHER = (MEMBERS[:2], MEMBERS[1:], MEMBERS[::2], MEMBERS)
ZERO_SHOT = "zero_shot"
MARKER = "<!-- Below this line: written by bench/mixture_members.py -->"
Key = tuple[str, int, int]
Stored = dict[str, np.ndarray]
Results = dict[Key, dict[str, float]]


def path(store: Path, key: Key) -> Path:
    """Where a draw of a set is kept."""
    return store / f"{key[0].replace(', ', '-')}-{key[1]}-{key[2]}.npz"


def record(cell: Cell, shots: int, seed: int) -> Stored:
    """Logits of test images, and out-of-fold ones of support images, under each member."""
    support = cell.support(shots, seed)
    methods = {name: feature_method(name) for name in MEMBERS}
    answers = answers_of(support, methods, folds_of(support))
    kept = {"y": cell.test[1].numpy()}
    with torch.no_grad():
        kept[f"test/{ZERO_SHOT}"] = linear_head(support.zero_shot)(cell.test[0]).numpy()
        for name, method in methods.items():
            kept[f"test/{name}"] = method.head(support)(cell.test[0]).float().numpy()
    for name, (logits, targets) in answers.items():
        kept |= {f"oof/{name}": logits.numpy(), "oofy": targets.numpy()}
    return kept


def right(logits: np.ndarray, kept: Stored) -> float:
    """Test accuracy in %."""
    return 100 * float((logits.argmax(1) == kept["y"]).mean())


def mixed(kept: Stored, members: Sequence[str], shrink: float) -> float:
    """Test accuracy in % of a mixture; equal scales where nothing could be held out."""
    scales = [1.0] * len(members)
    if "oofy" in kept:
        parts = [torch.from_numpy(kept[f"oof/{name}"]) for name in members]
        scales = mixing_scales(parts, torch.from_numpy(kept["oofy"]), shrink)
    logits = [s * kept[f"test/{m}"].astype(float) for s, m in zip(scales, members, strict=True)]
    return right(np.sum(logits, axis=0), kept)


def measured(kept: Stored) -> dict[str, float]:
    """Test accuracy in % of zero-shot where it is kept, each member, and each mixture."""
    row = {name: right(kept[f"test/{name}"], kept) for name in MEMBERS}
    if f"test/{ZERO_SHOT}" in kept:
        row[ZERO_SHOT] = right(kept[f"test/{ZERO_SHOT}"], kept)
    for members, shrink in itertools.product(TOGETHER, SHRINK):
        row[f"{' + '.join(members)}, {shrink:g}"] = mixed(kept, members, shrink)
    return row


def mean(found: Results, name: str, wanted: Callable[[Key], bool]) -> float:
    """Of a row over draws, then over sets."""
    sets = sorted({key[0] for key in found if wanted(key)})
    each = [
        np.mean([row[name] for key, row in found.items() if wanted(key) and key[0] == own])
        for own in sets
    ]
    return float(np.mean(each))


def table(found: Results) -> list[str]:
    """Means by shots, cells below zero-shot, and the choice on the other sets."""
    first = next(iter(found.values()))
    shots = sorted({key[1] for key in found})
    lines = [f"| | {' | '.join(map(str, shots))} | below zero-shot |", "|---|" + "---:|" * 6]
    for name in first:
        cells_ = [f"{mean(found, name, lambda key, n=n: key[1] == n):.2f}" for n in shots]
        below = sum(row[name] < row[ZERO_SHOT] for row in found.values() if ZERO_SHOT in row)
        lines.append(f"| {name} | {' | '.join(cells_)} | {below} of {len(found)} |")
    return [*lines, "", *chosen_elsewhere(found)]


def chosen_elsewhere(found: Results) -> list[str]:
    """For each set the row that is best on the others, from 4 images of a class on."""
    rows = [name for name in next(iter(found.values())) if name != ZERO_SHOT]
    lines = ["| set | best on the other sets, from 4 images on | there |", "|---|---|---:|"]
    for own in sorted({key[0] for key in found}):
        others = {key: row for key, row in found.items() if key[0] != own}
        best = max(rows, key=partial(_from_four, others))
        value = _from_four({key: row for key, row in found.items() if key[0] == own}, best)
        lines.append(f"| {own} | {best} | {value:.2f} |")
    return lines


def _from_four(found: Results, name: str) -> float:
    return mean(found, name, lambda key: key[1] >= ENOUGH)


def main() -> None:
    """Measure what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--clothing", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.store.mkdir(parents=True, exist_ok=True)
    found: dict[bool, Results] = {True: {}, False: {}}
    sets = list(cells(given.features, given.clothing))
    for seed, shots, cell in itertools.product(range(given.draws), SHOTS, sets):
        key = cell.name, shots, seed
        if not path(given.store, key).is_file():
            np.savez(path(given.store, key), **record(cell, shots, seed))
        with np.load(path(given.store, key)) as kept:
            found[cell.text is not None][key] = measured(dict(kept))
    lines = []
    for with_text, title in ((True, "With text"), (False, "Without text")):
        names = ", ".join(sorted({key[0] for key in found[with_text]}))
        lines += ["", f"## {title}: {names}", "", *table(found[with_text])]
    rewrite_below(given.out, MARKER, lines)


if __name__ == "__main__":
    main()
