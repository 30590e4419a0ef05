"""The weight of LDIFS (`feature_distillation`) on both benchmarks, in the unit of its authors.

    python -m bench.ldifs --pacs PACS --runs bench-runs docs/benchmarks/ldifs.md

The data and all other settings are those of `bench/comparison.py`, but for val, which is a fifth of
the training images here. A weight is chosen on it; the other columns say what it does elsewhere. A
run that is finished is not run again, so the script can be stopped and goes on.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import yaml

from adapt import run
from bench.comparison import pacs, pictograms, recipe_of
from bench.robust import spread

WEIGHTS = (10, 100, 300, 1000)
SEEDS = 3


def recipe(made: Any, weight: int, seed: int) -> dict[str, Any]:
    """Full fine-tuning with this weight; no curve on the evals, no report."""
    whole = recipe_of(made, "full", seed)
    whole["method"]["optim"]["feature_distillation"] = float(weight)
    whole["data"]["val"]["fraction"] = 0.2
    whole["ensemble"] = {"kind": "wise_ft", "alphas": 11, "select": "val", "rule": "both_one_se"}
    whole["report"] = {"formats": [], "curve": "none"}
    return whole


def finished(folder: Path, content: dict[str, Any]) -> Path:
    """The folder of a run, made now if it is not there."""
    if not (folder / "robustness.json").is_file() or not (folder / "model").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        path = folder.with_suffix(".yaml")
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        run(path, [], folder, overwrite=folder.exists())
    return folder


def row(folder: Path) -> dict[str, float]:
    """What one run gave."""
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    shifts = [name for name in scores["data"]["evals"] if name != "test"]
    cells = {"val": scores["models"]["adapted"]["val"]["accuracy"]}
    for model in ("adapted", "ensemble"):
        own = scores["models"][model]
        cells[f"{model} on test"] = own["test"]["accuracy"]
        cells[f"{model} on shifts"] = statistics.fmean(own[name]["accuracy"] for name in shifts)
    return cells


def shown(values: list[float]) -> str:
    """The mean, with its range where there are several seeds."""
    return spread(values, 100)


def table(runs: Path) -> list[str]:
    """One line for each weight."""
    lines: list[str] = []
    for weight in WEIGHTS:
        folders = sorted(runs.glob(f"ldifs-{weight}-[0-9]"))
        rows = [row(folder) for folder in folders if (folder / "scores.json").is_file()]
        if rows and not lines:
            head = ["weight", "seeds", *rows[0]]
            lines = [f"| {' | '.join(head)} |", "|---:|" + "---:|" * (len(head) - 1)]
        if rows:
            cells = [shown([one[key] for one in rows]) for key in rows[0]]
            lines.append(f"| {weight} | {len(rows)} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pacs", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    text = [
        "# The weight of LDIFS",
        "",
        "Made by `bench/ldifs.py`. Accuracy in %, mean (range) over seeds; val is what a weight is "
        "chosen on. The paper takes 10 for models of a hundred million weights.",
    ]
    for name in ("pictograms", "pacs"):
        tables = arguments.runs / name / "tables"
        tables.mkdir(parents=True, exist_ok=True)
        made = pictograms(tables) if name == "pictograms" else pacs(tables, arguments.pacs)
        for seed in range(arguments.seeds):
            for weight in WEIGHTS:
                folder = tables.parent / f"ldifs-{weight}-{seed}"
                print(name, weight, seed, row(finished(folder, recipe(made, weight, seed))))
        text += ["", f"## {name}", "", *table(tables.parent)]
    arguments.out.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
