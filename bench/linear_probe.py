"""The linear probe against scikit-learn on features of a real CLIP.

    python bench/linear_probe.py ../shared/data/clip_vitb32_features docs/benchmarks/linear_probe.md

For each set a fifth of the training features (stratified, seed 0) is val. scikit-learn tries every
fourth value of the 97-point grid and keeps the best on val; `adapt` runs its search. Both are then
scored on test, fitted on the same four fifths.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from adapt.methods.features.support import Support
from adapt.methods.heads.linear_probe import GRID, LinearProbe
from adapt.training.logistic import Logistic

SETS = ("caltech101", "oxford_pets", "dtd")
EVERY = 4


def accuracy(scores: np.ndarray, targets: np.ndarray) -> float:
    """Share of right answers."""
    return float((scores.argmax(1) == targets).mean())


def compare(path: Path) -> list[str]:
    """One row of the table."""
    data = np.load(path)
    x, y, tx, ty = (
        data[next(key for key in data.files if key.startswith(part) and key.endswith(f"_{kind}"))]
        for part in ("train", "test")
        for kind in ("x", "y")
    )
    x, tx, y, ty = x.astype(np.float32), tx.astype(np.float32), y.astype(int), ty.astype(int)
    a, b, ya, yb = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    began, best = time.monotonic(), (-1.0, 0.0, 0.0)
    for strength in GRID[::EVERY]:
        model = LogisticRegression(C=strength, max_iter=1000).fit(a, ya)
        found = float(model.score(b, yb))
        if found > best[0]:
            best = (found, float(strength), float(model.score(tx, ty)))
    theirs = time.monotonic() - began
    began, classes = time.monotonic(), int(y.max()) + 1
    train, val = (tuple(map(torch.from_numpy, pair)) for pair in ((a, ya), (b, yb)))
    support = Support(train[0][None], train[1], torch.zeros(classes, a.shape[1]), val)
    strength = LinearProbe(initialisation="zero").search(support)
    weight, bias = Logistic(a, ya, classes).fit(strength)
    ours = accuracy(tx @ weight.T + bias, ty)
    seconds = time.monotonic() - began
    return [
        path.stem,
        f"{100 * best[2]:.2f}",
        f"{best[1]:.3g}",
        f"{theirs:.0f}",
        f"{100 * ours:.2f}",
        f"{strength:.3g}",
        f"{seconds:.0f}",
    ]


def main() -> None:
    """Compare on each set and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    header = [
        "set",
        "scikit-learn, test %",
        "C",
        "seconds (25 fits)",
        "adapt, test %",
        "C",
        "seconds",
    ]
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    for name in SETS:
        lines.append(f"| {' | '.join(compare(arguments.features / f'{name}.npz'))} |")
        print(lines[-1], flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    title = "# Linear probe against scikit-learn, CLIP ViT-B/32 features\n\n"
    how = (
        "\n\nMade by `bench/linear_probe.py`: both choose C on the same val split, never on test.\n"
    )
    arguments.out.write_text(title + "\n".join(lines) + how)


if __name__ == "__main__":
    main()
