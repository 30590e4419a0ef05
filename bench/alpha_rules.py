"""What each rule for alpha would have chosen, replayed on stored outputs of many runs.

    python -m bench.alpha_rules --store STORE docs/benchmarks/alpha_rules.md

The store is that of `bench.comparison`. Rules are fitted and chosen on the first two tasks
(`CHOSEN_ON`) alone; the others were never looked at before.
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from adapt.ensembling.rules.base import RULES, Evidence, nearest
from adapt.ensembling.rules.likelihood_gain import giving_up, keeping
from adapt.ensembling.settings import Ensemble
from bench import alpha_lines
from bench.alpha_bound import COST
from bench.comparison import ALPHAS, CHOSEN_ON, TASKS
from bench.document import rewrite_below
from bench.replay import Replay, stored_runs

SIZES = (40, 100, 0)
"""Val images that a rule sees; 0 is all."""
KEPT = (0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
SCALES = (0.05, 0.2)
"""Beside that of the default."""
MARKER = "<!-- Below this line: written by bench/alpha_rules.py -->"
Choose = Callable[[Evidence], float]


def tried() -> dict[str, Choose]:
    """Every rule, the shares of the gain, and alphas that look at nothing."""
    rules: dict[str, Choose] = {
        name: own.choose for name, own in RULES.table().items() if not own.groups
    }
    rules |= {f"gain, {kept:g} kept": partial(keeping, kept=kept) for kept in KEPT}
    for prior in (0.6, 0.8):
        rules[f"most likely, half way to {prior:g}"] = partial(_half_way, prior=prior)
    rules |= {f"as zero-shot knows, {scale:g}": partial(giving_up, most=scale) for scale in SCALES}
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
    paths = stored_runs(store)
    runs = [Replay.read(path) for path in paths]
    seen = [{size: run.evidence(size) for size in SIZES} for run in runs]
    pairs = list(zip(runs, seen, strict=True))
    lines = []
    for title, wanted in (("Tasks that the rule was chosen on", True), ("Other tasks", False)):
        own = [pair for pair in pairs if (pair[0].task in CHOSEN_ON) == wanted]
        if own:
            lines += ["", f"## {title}", "", _counted([run for run, _ in own]), ""]
            lines += rows(*zip(*own, strict=True))
    if len({run.task for run in runs}) > 1:
        lines += ["", "## Rules chosen on the other tasks", "", *chosen_elsewhere(pairs)]
    lines += _with_freedom(paths)
    lines += ["", "## By method, all of val", "", *by_method(pairs)]
    return lines


def _with_freedom(paths: Sequence[Path]) -> list[str]:
    """Tables of lines with more freedom, where some run has them."""
    lines: list[str] = []
    for size, wanted in itertools.product(SIZES, (True, False)):
        own = [path for path in paths if (path.parent.name in CHOSEN_ON) == wanted]
        read = partial(alpha_lines.choices, alphas=ALPHAS, size=size, others={"val", "test"})
        if made := [choices for choices in map(read, own) if choices]:
            where = "first tasks" if wanted else "other tasks"
            title = f"{f'val of {size}' if size else 'all of val'}, {where}:"
            lines += ["", title[0].upper() + title[1:], "", *alpha_lines.table(made)]
    return ["", "## Lines with more freedom", *lines] if lines else []


def chosen_elsewhere(pairs: Sequence[tuple[Replay, Mapping[int, Evidence]]]) -> list[str]:
    """For each task the rule that is best on the others, and what it is worth there.

    Best is the smallest distance on the shifts among rules that cost at most `COST` points of test
    more than the cheapest, on the mean of all sizes of val.
    """
    worth: dict[str, dict[str, list[np.ndarray]]] = {}
    for name, choose in tried().items():
        for run, seen in pairs:
            own = np.mean([run.worth(choose(seen[size]))[:2] for size in SIZES], axis=0)
            worth.setdefault(name, {}).setdefault(run.task, []).append(own)
    default = Ensemble().rule
    lines = [
        f"| task | best on the other tasks | its shifts, test | `{default}` |",
        "|---|---|---:|---:|",
    ]
    for task in [name for name in TASKS if name in worth[default]]:
        others = {
            name: np.concatenate([np.array(own[t]) for t in own if t != task]).mean(0)
            for name, own in worth.items()
        }
        cheapest = min(own[1] for own in others.values())
        allowed = [name for name, own in others.items() if own[1] <= cheapest + COST]
        best = min(allowed, key=lambda name: float(others[name][0]))
        cells = [np.mean(worth[name][task], axis=0) for name in (best, default)]
        shown = " | ".join(f"{own[0]:.2f}, {own[1]:.2f}" for own in cells)
        lines.append(f"| {task} | {best} | {shown} |")
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
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rewrite_below(given.out, MARKER, document(given.store))


if __name__ == "__main__":
    main()
