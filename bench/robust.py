"""Every method before and after WiSE-FT, on both benchmarks.

    python -m bench.robust --store STORE docs/benchmarks/robust.md

The tables are made of the runs that `bench.comparison` stored; alpha is chosen by the default rule
on all of val.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapt.ensembling.rules.base import RULES
from adapt.ensembling.settings import Ensemble
from bench.comparison import ALPHAS, SETTINGS
from bench.document import rewrite_below
from bench.replay import Replay, stored_runs

MARKER = "<!-- Below this line: written by bench/robust.py -->"
TITLES = {
    "pictograms": "pictograms: from emoji to outlines, solid icons, colour drawings, silhouettes",
    "pacs": "PACS: from photos to art, cartoons, sketches",
    "outlines": "outlines: from outlines to emoji, solid icons, colour drawings, silhouettes",
    "paintings": "paintings: from art to photos, cartoons, sketches",
}
ZERO_SHOT, ADAPTED, MIXED = "zero_shot", "adapted", "WiSE-FT"
HEAD = ["method", "model", "test", "mean of shifts", "worst shift", "ECE of shifts", "retention"]
Row = tuple[float, ...]


def row(run: Replay, alpha: float) -> Row:
    """Test, mean and worst of shifts, calibration error and retention at an alpha, in points."""
    each = [own[alpha] for own in run.each.values()]
    kept = run.retention.get(alpha, float("nan"))
    return run.test[alpha], run.shifts[alpha], min(each), run.calibration[alpha], kept


def spread(values: Sequence[float], scale: float = 1) -> str:
    """Mean, and the range where there are several; nothing where there is nothing."""
    scaled = [scale * value for value in values if value == value]
    if not scaled:
        return ""
    reach = f" ({min(scaled):.1f}..{max(scaled):.1f})" if len(scaled) > 1 else ""
    return f"{statistics.fmean(scaled):.1f}{reach}"


def line(method: str, model: str, rows: Sequence[Row], alphas: Sequence[float], runs: int) -> str:
    """One row of a table, without the seconds."""
    cells = [spread(column) for column in zip(*rows, strict=True)]
    shown = ", ".join(f"{alpha:g}" for alpha in alphas)
    return " | ".join([f"| {method}", model, *cells, shown, str(runs)])


def table(found: Mapping[str, Sequence[Replay]]) -> list[str]:
    """Zero-shot, then two rows of each method."""
    choose = RULES.table()[Ensemble().rule].choose
    lines = [
        f"| {' | '.join([*HEAD, 'alpha', 'seeds', 'seconds'])} |",
        "|---|---|" + "---:|" * (len(HEAD) + 1),
    ]
    first = next(iter(found.values()))[0]
    lines.append(line(ZERO_SHOT, "", [row(first, ALPHAS[0])], [0.0], 1) + " | 0 |")
    for method, runs in found.items():
        chosen = [choose(run.evidence(0)) for run in runs]
        seconds = f" | {statistics.fmean(run.seconds for run in runs):.0f} |"
        for model, alphas in ((ADAPTED, [1.0] * len(runs)), (MIXED, chosen)):
            rows = [row(run, alpha) for run, alpha in zip(runs, alphas, strict=True)]
            lines.append(line(method, model, rows, alphas, len(runs)) + seconds)
    return lines


def document(store: Path) -> list[str]:
    """A table for each task."""
    lines: list[str] = []
    for task, title in TITLES.items():
        runs = [Replay.read(path) for path in stored_runs(store) if path.parent.name == task]
        found = {
            method: own
            for method in SETTINGS
            if (own := [run for run in runs if run.method == method.replace(" + ", "-")])
        }
        if found:
            lines += ["", f"## {title}", "", *table(found)]
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
