"""Classifiers on whitened features where there is no text: what was tried, and what it reached.

    python -m bench.without_text --features CLIP_FEATURES docs/benchmarks/without_text.md

On the three whole sets of `bench.few_shot_features`, 16 images per class. Each row is also chosen
for a set on the two others; the best row of a set, read off its own test images, says what no
choice could exceed.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.methods.auto.mixture import Mixture
from adapt.methods.features.cross_validation import deviations
from adapt.methods.features.support import Support
from adapt.methods.heads.caches.kernel_ridge import KernelRidge
from adapt.methods.heads.gda import GDA
from bench.document import rewrite_below
from bench.few_shot_features import Part, cells

SHOTS = 16
POWERS, RIDGES = (0.75, 1.0, 1.25), (0.3, 1.0, 3.0)
"""Of the scatter in whitening, where 1 is what `kernel_ridge` does; of the trace added to it."""
STRENGTHS, SHRINKS = (10.0, 100.0, 1000.0), (0.3, 1.0, 3.0)
MARKER = "<!-- Below this line: written by bench/without_text.py -->"
Pair = tuple[Tensor, Tensor]
"""Features of the support (N, D) and of the test images (M, D)."""


def whitened(support: Support, test: Tensor, power: float, ridge: float) -> Pair:
    """Unit features after whitening with a power of the regularised within-class scatter."""
    away, freedom = deviations(support)
    values, vectors = torch.linalg.eigh(away.T @ away)
    values = values.clamp(min=0)
    scale = (values / (values.sum() / freedom) + ridge) ** (-power / 2)
    mean = support.features.double().mean(0)
    first, second = (
        F.normalize((part.double() - mean) @ vectors * scale, dim=1)
        for part in (support.features, test)
    )
    return first, second


def logistic(pair: Pair, targets: Tensor, strength: float) -> Tensor:
    """Logits of a multinomial logistic regression with `C = strength`."""
    classes = int(targets.max()) + 1
    weight = torch.zeros(classes, pair[0].shape[1] + 1, dtype=torch.double, requires_grad=True)
    ones = [torch.cat([part, torch.ones(len(part), 1, dtype=torch.double)], 1) for part in pair]
    optimizer = torch.optim.LBFGS([weight], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        fit = F.cross_entropy(ones[0] @ weight.T, targets, reduction="sum")
        loss: Tensor = strength * fit + weight[:, :-1].square().sum() / 2
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)
    return (ones[1] @ weight.T).detach()


def means_of(pair: Pair, targets: Tensor) -> Tensor:
    """Class means (K, D) of the support."""
    sums = torch.zeros(int(targets.max()) + 1, pair[0].shape[1], dtype=torch.double)
    return sums.index_add(0, targets, pair[0]) / torch.bincount(targets)[:, None]


def shrunk(pair: Pair, targets: Tensor, strength: float) -> Tensor:
    """Cosines to class means that are pulled to their common mean where they hardly differ.

    The between-class variance of each direction is estimated less what chance adds to means of so
    few images (probabilistic LDA, Ioffe 2006).
    """
    means = means_of(pair, targets)
    common = means.mean(0)
    away = pair[0] - means[targets]
    chance = away.square().sum() / (len(targets) - len(means)) / away.shape[1]
    chance = strength * chance / (len(targets) / len(means))
    between = (means - common).T @ (means - common) / (len(means) - 1)
    values, vectors = torch.linalg.eigh(between)
    values = (values - chance).clamp(min=0)
    pulled = ((means - common) @ vectors) * values / (values + chance)
    return F.normalize((pair[1] - common) @ vectors, dim=1) @ F.normalize(pulled, dim=1).T


def logits(support: Support, test: Part) -> Iterator[tuple[str, Tensor]]:
    """By name, logits of the test images."""
    methods = {"gda": GDA(), "kernel_ridge": KernelRidge(), "mixture": Mixture()}
    with torch.no_grad():
        said = {name: own.head(support)(test[0]).double() for name, own in methods.items()}
    yield from said.items()
    nearest = {}
    for power, ridge in [*((p, 1.0) for p in POWERS), *((1.0, r) for r in RIDGES if r != 1)]:
        pair = whitened(support, test[0], power, ridge)
        name = f"power {power:g}, ridge {ridge:g}"
        means = F.normalize(means_of(pair, support.targets), dim=1)
        nearest[name] = pair[1] @ means.T
        yield f"nearest mean, {name}", nearest[name]
        if power == 1:
            for strength in STRENGTHS:
                yield f"logistic, {name}, C {strength:g}", logistic(pair, support.targets, strength)
        if power == ridge == 1:
            for strength in SHRINKS:
                yield f"shrunk means, {strength:g}", shrunk(pair, support.targets, strength)
    said["nearest mean"] = nearest["power 1, ridge 1"]
    unit = {name: own / own.std() for name, own in said.items() if name != "mixture"}
    for names in (("gda", "kernel_ridge"), ("gda", "nearest mean"), tuple(unit)):
        yield f"equal sum of {', '.join(names)}", sum((unit[n] for n in names), torch.zeros(()))


def table(found: dict[str, dict[str, list[float]]]) -> list[str]:
    """Accuracy by set, sorted by the mean, and what choices among rows come to."""
    sets = list(next(iter(found.values())))
    means = {name: {own: float(np.mean(row[own])) for own in sets} for name, row in found.items()}
    lines = [f"| | {' | '.join(sets)} | mean |", "|---|" + "---:|" * (len(sets) + 1)]

    def line(name: str, row: dict[str, float]) -> str:
        values = [*row.values(), float(np.mean(list(row.values())))]
        return f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |"

    best, elsewhere = {}, {}
    for own in sets:
        best[own] = max(row[own] for row in means.values())
        others = {name: sum(row[s] for s in sets if s != own) for name, row in means.items()}
        elsewhere[own] = means[max(others, key=lambda name: others[name])][own]
    order = sorted(means, key=lambda name: -sum(means[name].values()))
    lines += [line("*best row of each set, read off its test images*", best)]
    lines += [line("*row that is best on the two other sets*", elsewhere)]
    return lines + [line(name, means[name]) for name in order]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    for cell in cells(given.features, "common"):
        for seed in range(given.draws if cell.text is None else 0):
            for name, own in logits(cell.support(SHOTS, seed), cell.test):
                value = 100 * float((own.argmax(1) == cell.test[1]).double().mean())
                found.setdefault(name, {}).setdefault(cell.name, []).append(value)
            print(cell.name, seed, flush=True)
    counted = "one draw" if given.draws == 1 else f"mean of {given.draws} draws"
    title = f"{SHOTS} images per class, {counted}"
    rewrite_below(given.out, MARKER, ["", f"## {title}", "", *table(found)])


if __name__ == "__main__":
    main()
