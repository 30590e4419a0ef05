"""What a choice of one alpha per run could reach that knows the test set and the shifts.

    python -m bench.alpha_bound --store STORE docs/benchmarks/alpha_bound.md

No rule can know them. What is left of a distance here belongs to the line and its grid of alphas,
and only the rest to a rule. The store is that of `bench.comparison`.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from adapt.ensembling.rules.base import RULES
from adapt.ensembling.rules.likelihood_gain import keeping
from adapt.ensembling.settings import Ensemble
from bench.comparison import ALPHAS, CHOSEN_ON, TASKS
from bench.document import rewrite_below
from bench.replay import Replay, resampled, stored_runs

MARKER = "<!-- Below this line: written by bench/alpha_bound.py -->"
HELD = ("distillation", "car_ft", "lipsum_ft", "carot", "linear_probe", "clap", "visual", "lora")
"""Parts of the names of methods that hold what they train near the start, or train little."""
COST, FURTHEST = 0.5, 2.5
"""Points of the test set that may be lost; points on the shifts that no run may lose."""


def distances(runs: Sequence[Replay]) -> tuple[np.ndarray, np.ndarray]:
    """Points below the best of the line on the shifts and on test, (runs, alphas) each."""
    worth = np.array([[run.worth(alpha)[:2] for alpha in ALPHAS] for run in runs])
    return worth[:, :, 0], worth[:, :, 1]


def within_each(shifts: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Per run (N,) the alpha nearest to the best on the shifts that costs at most `COST`."""
    return np.where(test <= COST, shifts, np.inf).argmin(1)


def within_mean(shifts: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The alphas (N,) with the smallest mean distance on the shifts whose mean cost is `COST`.

    An integer program: one alpha for each run.
    """
    count, width = shifts.shape
    once = np.kron(np.eye(count), np.ones(width))
    rules = [
        LinearConstraint(once, 1, 1),
        LinearConstraint(test.reshape(1, -1), -np.inf, COST * count),
    ]
    # The cost itself decides among equal distances.
    goal = (shifts + 1e-6 * test).ravel()
    found = milp(goal, constraints=rules, bounds=Bounds(0, 1), integrality=np.ones(goal.size))
    best: np.ndarray = found.x.reshape(count, width).argmax(1)
    return best


def choices(runs: Sequence[Replay]) -> Mapping[str, np.ndarray]:
    """By what is known, the place of each run's alpha (N,)."""
    shifts, test = distances(runs)
    return {
        f"nearest on the shifts, at most {COST:g} of test lost in each run": within_each(
            shifts, test
        ),
        f"nearest on the shifts, at most {COST:g} of test lost on the mean": within_mean(
            shifts, test
        ),
        "smallest sum of both": (shifts + test).argmin(1),
        "best on the shifts": (shifts + 1e-6 * test).argmin(1),
        "best on test": (test + 1e-6 * shifts).argmin(1),
    }


def line(name: str, shifts: np.ndarray, test: np.ndarray, alphas: np.ndarray) -> str:
    """One row: means over runs, the interval from resampled runs, worst run."""
    far = f"{int((shifts > FURTHEST).sum())} of {len(shifts)}"
    cells = [f"{shifts.mean():.2f} ({resampled(shifts)})", f"{test.mean():.2f} ({resampled(test)})"]
    return f"| {name} | {' | '.join(cells)} | {shifts.max():.1f} | {far} | {alphas.mean():.2f} |"


HEAD = [
    f"| choice | shifts | test | worst on the shifts | beyond {FURTHEST:g} there | mean alpha |",
    "|---|---:|---:|---:|---:|---:|",
]


def table(runs: Sequence[Replay], rules: Mapping[str, Sequence[float]]) -> list[str]:
    """What could be reached, and beside it what rules reach.

    Args:
        runs: Stored runs.
        rules: By name, the alpha of each run.
    """
    shifts, test = distances(runs)
    rows = np.arange(len(runs))
    lines = list(HEAD)
    for name, places in choices(runs).items():
        at = np.array(ALPHAS)[places]
        lines.append(line(f"*{name}*", shifts[rows, places], test[rows, places], at))
    for name, alphas in rules.items():
        places = np.array([ALPHAS.index(alpha) for alpha in alphas])
        lines.append(line(name, shifts[rows, places], test[rows, places], np.array(alphas)))
    return lines


def by_training(method: str) -> float:
    """A share of the gain that depends on the method: less where it trains freely."""
    return 1.0 if any(part in method for part in HELD) else 0.95


def compared(runs: Sequence[Replay]) -> list[str]:
    """What could be reached with one alpha, and some rules beside it, on all of val."""
    likely, default = (RULES.table()[name].choose for name in ("likelihood", Ensemble().rule))
    seen = [run.evidence(0) for run in runs]
    rules = {
        f"`{Ensemble().rule}`": [default(own) for own in seen],
        "97 % of the gain kept": [keeping(own, 0.97) for own in seen],
        "`likelihood`": [likely(own) for own in seen],
        "by what trains": [
            keeping(own, by_training(run.method)) for run, own in zip(runs, seen, strict=True)
        ],
        "always 1": [1.0] * len(runs),
    }
    return table(runs, rules)


def document(store: Path) -> list[str]:
    """A table for the tasks that the rule was chosen on, and one for the others."""
    runs = [Replay.read(path) for path in stored_runs(store)]
    lines: list[str] = []
    titles = {"Tasks that the rule was chosen on": CHOSEN_ON, "Other tasks": TASKS[2:]}
    for title, tasks in titles.items():
        if own := [run for run in runs if run.task in tasks]:
            counts = Counter(f"{run.task} {run.method}" for run in own)
            named = ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
            lines += ["", f"## {title}", "", f"{len(own)} runs: {named}.", "", *compared(own)]
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
