"""Every method before and after WiSE-FT, on two benchmarks, and what each rule for alpha costs.

    python -m bench.robust --data pictograms --runs bench-runs docs/benchmarks/robust.md
    python -m bench.robust --data pacs --pacs PACS --runs bench-runs docs/benchmarks/robust.md

`pictograms`: adapt on emoji of 24 classes, test on unseen emoji and four other domains; the other
8 classes, as outlines, are the retention set. `pacs`: adapt on photos, test on photos, art, cartoon
and sketch; outlines of pictograms are the retention set. A run that is finished is not run again,
so the script can be stopped and goes on. All settings are the methods' defaults but for those in
SETTINGS, which were fixed before the first run and are the same for every gradient method.
"""

import argparse
import itertools
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from adapt import run
from adapt.data.sources.embedded import EMBEDDED
from bench.document import rewrite_below

GRADIENT = "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64}"
SETTINGS = {
    "zero_shot": "",
    "linear_probe": "",
    "clap": "",
    "full": GRADIENT,
    "paint": GRADIENT,
    "lp_ft": GRADIENT,
    "flyp": GRADIENT,
    "full + l2_sp": "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, l2_sp: 0.01}",
    "full + feature_distillation": (
        "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, feature_distillation: 300.0}"
    ),
    "full + self_distillation": (
        "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, self_distillation: 1.5}"
    ),
    "full + car_ft": "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, car_ft: 1.0}",
    "full + lipsum_ft": "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, lipsum_ft: 1.0}",
    "full + orthogonality": "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, orthogonality: 0.2}",
    "flyp + carot": (
        "optim: {lr: 3.0e-4, epochs: 8, batch_size: 64, orthogonality: 0.2,"
        " self_distillation: 1.5, cross_norm: 0.05}"
    ),
    "lora": "optim: {lr: 1.0e-3, epochs: 8, batch_size: 64}",
    "bitfit": "optim: {lr: 1.0e-3, epochs: 8, batch_size: 64}",
    "norm_tuning": "optim: {lr: 1.0e-3, epochs: 8, batch_size: 64}",
    "prompt_tuning": "",
    "visual_projection": "",
}
DOMAINS = ("emoji", "outline", "solid", "colour", "silhouette")
PACS = {"test": "photo", "art": "art_painting", "cartoon": "cartoon", "sketch": "sketch"}
RULES = (
    "val",
    "val_one_se",
    "synthetic_shift",
    "synthetic_one_se",
    "both_one_se",
    "min_regret",
)
RULE = "both_one_se"
"""Of WiSE-FT in the table of methods."""
MARKER = "<!-- Below this line: written by bench/robust.py -->"
TITLES = {
    "pictograms": "pictograms: from emoji to outlines, solid icons, colour drawings, silhouettes",
    "pacs": "PACS: from photos to art, cartoons, sketches",
}
KNOWN_CLASSES = 24
TRAIN_IMAGES, SHIFT_IMAGES = 75, 40
"""Of each class of PACS, in photos to learn from and in each shifted domain: small data, and a run
that takes two minutes."""


@dataclass
class Benchmark:
    """Tables of one benchmark, written under a folder."""

    train: dict[str, Any]
    evals: dict[str, dict[str, Any]]
    classes: Path | None


def _table(path: Path, root: Path, files: list[tuple[str, str]]) -> dict[str, Any]:
    pd.DataFrame(files, columns=["path", "label"]).to_csv(path, index=False)
    return {"kind": "table", "path": str(path), "root": str(root)}


def pictograms(folder: Path) -> Benchmark:
    """24 classes to adapt to; 8 kept back."""
    root = EMBEDDED / "pictograms"
    names = sorted(path.name for path in (root / "emoji" / "train").iterdir() if path.is_dir())
    words = yaml.safe_load((root / "classes.yaml").read_text(encoding="utf-8"))
    known, other = names[:KNOWN_CLASSES], names[KNOWN_CLASSES:]
    for part, chosen in (("known", known), ("other", other)):
        text = yaml.safe_dump({name: words[name] for name in chosen if name in words})
        (folder / f"{part}.yaml").write_text(text, encoding="utf-8")

    def listed(domain: str, split: str, chosen: list[str]) -> dict[str, Any]:
        files = [
            (str(path.relative_to(root)), name)
            for name in chosen
            for path in sorted((root / domain / split / name).glob("*.png"))
        ]
        place = folder / f"{domain}-{split}-{'known' if chosen == known else 'other'}.csv"
        return _table(place, root, files)

    evals = {
        "test" if domain == "emoji" else domain: listed(domain, "test", known) for domain in DOMAINS
    }
    kept = listed("outline", "test", other)
    evals["other"] = {**kept, "retention": True, "classes": str(folder / "other.yaml")}
    return Benchmark(listed("emoji", "train", known), evals, folder / "known.yaml")


def pacs(folder: Path, root: Path, domains: dict[str, str] | None = None) -> Benchmark:
    """Photos to adapt to, split by the data; as many of each class, but for the test photos.

    Args:
        folder: For the tables.
        root: Of the images.
        domains: By the name of the test set; that of `test` is adapted to. `PACS` without it.
    """
    domains = domains or PACS
    manifest = pd.read_csv(root / "manifest.csv")
    manifest["domain"] = manifest["path"].str.split("/").str[0]
    tables = {}
    for domain, whole in manifest.groupby("domain"):
        shuffled = whole.sample(frac=1, random_state=0)
        if domain == domains["test"]:
            train = shuffled[shuffled["split"] == "train"].groupby("label").head(TRAIN_IMAGES)
            rows = pd.concat([train, shuffled[shuffled["split"] != "train"]]).sort_values("path")
        else:
            rows = shuffled.groupby("label").head(SHIFT_IMAGES).sort_values("path")
        place = folder / f"{domain}.csv"
        rows[["path", "label", "split"]].to_csv(place, index=False)
        tables[domain] = {"kind": "table", "path": str(place), "root": str(root.resolve())}
    evals = {name: dict(tables[domain]) for name, domain in domains.items()}
    evals["test"]["split"] = "val"
    outlines = {"kind": "embedded", "name": "pictograms", "domain": "outline", "split": "test"}
    evals["other"] = {**outlines, "retention": True}
    return Benchmark({**tables[domains["test"]], "split": "train"}, evals, None)


def recipe_of(benchmark: Benchmark, method: str, seed: int) -> dict[str, Any]:
    """One run, as a recipe."""
    settings = yaml.safe_load("{" + SETTINGS[method] + "}")
    data: dict[str, Any] = {"train": benchmark.train, "val": {"from": "train", "fraction": 0.2}}
    if benchmark.classes is not None:
        data["classes"] = str(benchmark.classes)
    return {
        "version": 1,
        "name": "robust",
        "seed": seed,
        "model": {"arch": "adapt-icons-xs", "pretrained": "embedded"},
        "data": data,
        "method": {"name": method.split(" + ")[0], **settings},
        "ensemble": {"kind": "wise_ft", "alphas": 11, "select": "val", "rule": RULE},
        "evals": benchmark.evals,
        "report": {"formats": ["md"], "curve": "full"},
        "runtime": {"precision": "32"},
    }


def finished(folder: Path, recipe: dict[str, Any]) -> Path:
    """The folder of a run, made now if it is not there."""
    if not (folder / "robustness.json").is_file() or not (folder / "model").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        path = folder.with_suffix(".yaml")
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        run(path, [], folder, overwrite=folder.exists())
    return folder


def measures(folder: Path) -> dict[str, Any]:
    """What the tables need of one run."""
    scores, curve, robust, timing = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("scores", "curve", "robustness", "timing")
    )
    shifts = [name for name in scores["data"]["evals"] if name != "test"]
    kept = robust["retention"]["other"]
    after = {point["alpha"]: point["accuracy"] for point in kept["curve"]}

    def row(point: dict[str, Any]) -> dict[str, float]:
        ood = [point[name]["accuracy"] for name in shifts]
        return {
            "id": point["test"]["accuracy"],
            "ood": statistics.fmean(ood),
            "worst": min(ood),
            "ece": statistics.fmean(point[name]["ece"] for name in shifts),
            "retention": after[point["alpha"]],
        }

    along = {point["alpha"]: row(point) for point in curve["points"]}
    images = scores["models"]["zero_shot"]["test"]["n"]
    rules = {rule: found["alpha"] for rule, found in curve["rules"].items()}
    # Runs that are older than this rule hold the two that it is made of.
    rules["both_one_se"] = max(rules["val_one_se"], rules["synthetic_one_se"])
    return {
        "along": along,
        "rules": rules,
        "seconds": timing["fit"],
        "images": {"test": images, "val": scores["data"]["val"]["n"]},
    }


def standard_error(accuracy: float, images: int) -> float:
    """Of an accuracy measured on so many images; one image at accuracy 0 or 1."""
    return max(accuracy * (1 - accuracy) / images, 1 / images**2) ** 0.5


def spread(values: list[float], scale: float = 100) -> str:
    """Mean and range."""
    low, high = scale * min(values), scale * max(values)
    return f"{scale * statistics.fmean(values):.1f} ({low:.1f}..{high:.1f})"


def method_table(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """One row per method and model."""
    head = ["method", "model", "test", "mean of shifts", "worst shift", "ECE of shifts"]
    lines = [
        f"| {' | '.join([*head, 'retention', 'alpha', 'seconds'])} |",
        "|---|---|" + "---:|" * 7,
    ]
    for method, runs in found.items():
        for model in ("adapted", "WiSE-FT"):
            alphas = [1.0 if model == "adapted" else one["rules"][RULE] for one in runs]
            rows = [one["along"][alpha] for one, alpha in zip(runs, alphas, strict=True)]
            keys = ("id", "ood", "worst", "ece", "retention")
            cells = [spread([row[key] for row in rows]) for key in keys]
            shown = ", ".join(f"{alpha:g}" for alpha in alphas)
            seconds = f"{statistics.fmean(one['seconds'] for one in runs):.0f}"
            lines.append(f"| {' | '.join([method, model, *cells, shown, seconds])} |")
    return lines


def share_of(gained: list[float], gaps: list[float]) -> str:
    """Sum of what was gained over the sum of what there was to gain, 95 % interval over runs."""
    pairs = np.array([gained, gaps])
    draws = np.random.default_rng(0).integers(0, len(gaps), (2000, len(gaps)))
    sums = pairs[:, draws].sum(-1)
    low, high = np.quantile(100 * sums[0] / np.maximum(sums[1], 1e-9), [0.025, 0.975])
    return f"{100 * sum(gained) / sum(gaps):.0f} % ({low:.0f}..{high:.0f})" if any(gaps) else "-"


def rule_table(runs: list[dict[str, Any]]) -> list[str]:
    """What each rule gets of the gap between the ID-best alpha and the one best for the shifts."""
    lines = [
        "| rule | test | mean of shifts | share of the gap | test cost in standard errors of test "
        "| in those of val |",
        "|---|" + "---:|" * 5,
    ]
    best = [max(one["along"].values(), key=lambda row: row["ood"])["ood"] for one in runs]
    id_best = [one["along"][one["rules"]["val"]] for one in runs]
    gaps = [top - row["ood"] for top, row in zip(best, id_best, strict=True)]
    for rule in RULES:
        rows = [one["along"][one["rules"][rule]] for one in runs]
        gained = [row["ood"] - base["ood"] for row, base in zip(rows, id_best, strict=True)]
        shown = [rule, *(spread([row[key] for row in rows]) for key in ("id", "ood"))]
        shown.append(share_of(gained, gaps))
        for judge in ("test", "val"):
            costs = [
                (base["id"] - row["id"]) / standard_error(base["id"], one["images"][judge])
                for one, row, base in zip(runs, rows, id_best, strict=True)
            ]
            shown.append(f"{statistics.fmean(costs):.2f} ({min(costs):.2f}..{max(costs):.2f})")
        lines.append(f"| {' | '.join(shown)} |")
    lines.append(f"| oracle (best for the shifts) | | {spread(best)} | 100 % | | |")
    return lines


def collect(runs: Path) -> dict[str, list[dict[str, Any]]]:
    """By method, what was measured of its finished runs, in the order of the seeds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for method in SETTINGS:
        name = method.replace(" + ", "-")
        folders = sorted(runs.glob(f"{name}-[0-9]"), key=lambda folder: folder.name)
        done = [measures(f) for f in folders if (f / "model" / "classifier.json").is_file()]
        if done:
            found[method] = done
    return found


def document(runs: Path) -> list[str]:
    """Tables of both benchmarks and of the rules over both."""
    lines, pooled = [], []
    for name, title in TITLES.items():
        found = collect(runs / name)
        if not found:
            continue
        counts = {method: len(done) for method, done in found.items()}
        most = max(counts.values())
        fewer = [f"{method} ({count})" for method, count in counts.items() if count < most]
        lines += ["", f"## {title}", "", f"Seeds 0 to {most - 1}."]
        if fewer:
            lines.append(f"Fewer seeds: {', '.join(fewer)}.")
        if missing := [method for method in SETTINGS if method not in found]:
            lines.append(f"Not run: {', '.join(missing)}.")
        adapted = [one for method in found if method != "zero_shot" for one in found[method]]
        pooled += adapted
        lines += ["", *method_table(found), "", "Rules for alpha here:", "", *rule_table(adapted)]
    return [*lines, "", "## Rules for alpha over both", "", *rule_table(pooled)]


def main() -> None:
    """Run what is missing, then write the tables of all that is finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("pictograms", "pacs", "none"), required=True)
    parser.add_argument("--pacs", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="*", default=list(SETTINGS))
    parser.add_argument("out", type=Path, help="file whose part below the marker is written anew")
    arguments = parser.parse_args()
    if arguments.data != "none":
        tables = arguments.runs / arguments.data / "tables"
        tables.mkdir(parents=True, exist_ok=True)
        own = arguments.data == "pictograms"
        made = pictograms(tables) if own else pacs(tables, arguments.pacs)
        for seed, method in itertools.product(range(arguments.seeds), arguments.methods):
            name = f"{method.replace(' + ', '-')}-{seed}"
            folder = finished(tables.parent / name, recipe_of(made, method, seed))
            end = measures(folder)["along"][1.0]
            print(method, seed, {key: round(value, 3) for key, value in end.items()}, flush=True)
    rewrite_below(arguments.out, MARKER, document(arguments.runs))


if __name__ == "__main__":
    main()
