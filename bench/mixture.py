"""Whether a mixture of methods is better than each of them, on features of a real CLIP.

    python -m bench.mixture --features CLIP_FEATURES --cells mixture.json docs/benchmarks/mixture.md

Draws of 1 to 16 images per class, with text and without; see `bench/few_shot_features.py`. Heads
and out-of-fold answers of the members are computed once for each draw, and mixed with several
strengths of the pull to equal weights. What is measured is kept, so the script goes on where it
was stopped.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import torch

from adapt.methods.auto.mixture import MEMBERS, Mixture, mixing_scales
from adapt.methods.auto.out_of_fold import Answer, out_of_fold
from adapt.methods.features.named import feature_method
from bench.document import rewrite_below
from bench.few_shot_features import Cell, cells

SHOTS, DRAWS = (1, 2, 4, 8, 16), 5
SHRINK = {"free weights": 0.0, "mixture": Mixture().shrink, "equal weights": 1e6}
MARKER = "<!-- Below this line: written by bench/mixture.py -->"
Row = dict[str, float]


def measured(cell: Cell, shots: int, seed: int) -> Row:
    """Test accuracy in % of zero-shot, the members and their mixtures."""
    support, (x, y) = cell.support(shots, seed), cell.test
    methods = [feature_method(name) for name in MEMBERS]
    answers: list[Answer] = [a for m in methods if (a := out_of_fold(support, m)) is not None]
    with torch.no_grad():
        logits = [method.head(support)(x) for method in methods]

    def right(scores: torch.Tensor) -> float:
        return 100 * float((scores.argmax(1) == y).double().mean())

    row = {"zero-shot": right(x @ support.zero_shot.T)}
    row |= {name: right(own) for name, own in zip(MEMBERS, logits, strict=True)}
    for name, shrink in SHRINK.items():
        scales = [1.0] * len(methods)
        if answers:
            scales = mixing_scales([own for own, _ in answers], answers[0][1], shrink)
        row[name] = right(
            sum((s * own for s, own in zip(scales, logits, strict=True)), logits[0] * 0)
        )
    return row


def means(found: dict[str, Row], kind: str, shots: int) -> dict[str, float]:
    """Over sets and draws of a kind."""
    rows = [row for key, row in found.items() if _is(key, kind, shots)]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} if rows else {}


def _is(key: str, kind: str, shots: int) -> bool:
    name, own, _ = key.split("|")
    return name.endswith(kind) and int(own) == shots


def against(found: dict[str, Row], kind: str, rival: str) -> str:
    """In how many draws the mixture is better, equal and worse."""
    rows = [row for key, row in found.items() if key.split("|")[0].endswith(kind)]
    signs = [float(np.sign(row["mixture"] - row[rival])) for row in rows]
    return ", ".join(str(signs.count(sign)) for sign in (1.0, 0.0, -1.0))


def document(found: dict[str, Row]) -> list[str]:
    """Tables with and without text."""
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
    return lines


def main() -> None:
    """Measure what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    found: dict[str, Row] = json.loads(given.cells.read_text()) if given.cells.is_file() else {}
    sets = list(cells(given.features, "common"))
    for seed, shots, cell in itertools.product(range(given.draws), SHOTS, sets):
        key = f"{cell.name}|{shots}|{seed}"
        if key not in found:
            found[key] = measured(cell, shots, seed)
            given.cells.write_text(json.dumps(found))
            print(key, {name: round(value, 1) for name, value in found[key].items()}, flush=True)
    rewrite_below(given.out, MARKER, document(found))


if __name__ == "__main__":
    main()
