"""The quickstart over several seeds: what its recipe header, the README and docs quote.

    python bench/quickstart_seeds.py quickstart docs/benchmarks/quickstart --seeds 0 1 2

Runs a recipe once per seed in a temporary folder and writes `<out>.json` and `<out>.md`.
"""

import argparse
import json
import platform
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from adapt import run

MODELS = ("zero_shot", "linear_probe", "mixed_probe", "adapted", "ensemble")


def one_seed(recipe: str, overrides: list[str], seed: int) -> dict[str, Any]:
    """Scores of one run."""
    with tempfile.TemporaryDirectory() as folder:
        done = run(recipe, [*overrides, f"seed={seed}"], Path(folder, "run"), quiet=False)
    kinds = {name: spec["kind"] for name, spec in done.scores["data"]["evals"].items()}
    accuracy = {
        model: {name: row["accuracy"] for name, row in done.scores["models"][model].items()}
        for model in MODELS
        if model in done.scores["models"]
    }
    return {
        "seed": seed,
        "alpha": done.scores["alpha"],
        "shipped": done.scores["shipped"],
        "seconds": done.seconds["total"],
        "kinds": kinds,
        "accuracy": accuracy,
    }


def summary(recipe: str, runs: list[dict[str, Any]]) -> str:
    """A Markdown table: mean and range over seeds, in percent."""
    first = runs[0]
    evals = list(first["accuracy"]["zero_shot"])
    natural = [name for name, kind in first["kinds"].items() if kind == "natural"]
    shifts = natural[1:]
    header = [*evals, "mean of the other domains"]
    lines = [f"| model | {' | '.join(header)} |", "|---|" + "---:|" * len(header)]
    for model in first["accuracy"]:
        cells = []
        for name in header:
            values = [
                100 * mean(r["accuracy"][model][s] for s in shifts)
                if name not in evals
                else 100 * r["accuracy"][model][name]
                for r in runs
            ]
            cells.append(f"{mean(values):.1f} ({min(values):.1f}..{max(values):.1f})")
        lines.append(f"| {model} | {' | '.join(cells)} |")
    alphas = ", ".join(f"{r['alpha']:g}" for r in runs)
    seconds = ", ".join(f"{r['seconds']:.0f}" for r in runs)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return "\n".join(
        [
            f"# {recipe}, several seeds",
            "",
            f"Made by `python bench/quickstart_seeds.py {recipe} docs/benchmarks/{recipe}`. The "
            "settings were fixed before the first run; alpha is chosen on val.",
            "",
            *lines,
            "",
            f"Mean (lowest..highest) over seeds {[r['seed'] for r in runs]}, accuracy in %. "
            f"Alpha chosen on val: {alphas}. Seconds: {seconds}. Machine: {machine}.",
            "",
        ]
    )


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="overrides, key.path=value")
    arguments = parser.parse_args()
    runs = [one_seed(arguments.recipe, arguments.set, seed) for seed in arguments.seeds]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.with_suffix(".json").write_text(json.dumps(runs, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(summary(arguments.recipe, runs))
    print(summary(arguments.recipe, runs))


if __name__ == "__main__":
    main()
