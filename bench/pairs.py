"""LiT, CLIP's and SigLIP's losses on few photos with captions, against chance.

    python -m bench.pairs --captions CAPTIONS --runs bench-runs docs/benchmarks/pairs.md

`CAPTIONS` holds photos, `captions.json` (path to captions) and `manifest.csv` (path, split): of the
split train a model learns, on test it is scored once. Photos are resized once to what the model
reads, which changes nothing. A run that is finished is not run again.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

from PIL import Image

from adapt.models.backbones import load_backbone
from adapt.runs.run import run
from bench.document import rewrite_below

MARKER = "<!-- written by bench/pairs.py -->"
EMBEDDED = {"arch": "adapt-icons-xs", "pretrained": "embedded"}
TIMM = {"arch": "timm/resnet18", "pretrained": "random", "image_size": 64, "text": EMBEDDED}
OPTIM = {"lr": 1e-3, "epochs": 16, "batch_size": 128}
RUNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "LiT, softmax": (EMBEDDED, {"name": "lit", "scale": 10.0}),
    "LiT, sigmoid": (EMBEDDED, {"name": "lit", "loss": "siglip"}),
    "both encoders, softmax": (EMBEDDED, {"name": "contrastive", "scale": 10.0}),
    "LiT, ResNet-18 of timm, random weights": (TIMM, {"name": "lit", "scale": 10.0}),
}
"""Model and method; the settings were fixed on the embedded model's held-out pairs."""


def prepare(captions: Path, folder: Path) -> Path:
    """A table of pairs with small copies of the photos; returns its path."""
    table, own = folder / "pairs.csv", load_backbone(**EMBEDDED).preprocessing
    texts = json.loads((captions / "captions.json").read_text(encoding="utf-8"))
    with (captions / "manifest.csv").open(encoding="utf-8", newline="") as file:
        splits = {row["path"]: row["split"] for row in csv.DictReader(file)}
    rows = []
    for path, split in sorted(splits.items()):
        small = (folder / path).with_suffix(".png")
        if not small.is_file():
            small.parent.mkdir(parents=True, exist_ok=True)
            own.resize(Image.open(captions / path).convert("RGB")).save(small)
        rows += [(small.relative_to(folder).as_posix(), text, split) for text in texts[path]]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "caption", "split"))
        writer.writerows(rows)
    return table


def finished(name: str, table: Path, runs: Path) -> dict[str, Any]:
    """The scores of a run, which is run if it is not there."""
    model, method = RUNS[name]
    folder = runs / "".join(letter if letter.isalnum() else "-" for letter in name)
    if not (folder / "scores.json").is_file():
        recipe = {
            "name": folder.name,
            "model": model,
            "data": {
                "train": {"kind": "pairs", "path": str(table), "split": "train"},
                "val": {"from": "train", "fraction": 0.1},
                "augmentation": "none",
            },
            "method": {**method, "optim": OPTIM},
            "ensemble": {"kind": "wise_ft", "alphas": 3},
            "evals": {"test": {"kind": "pairs", "path": str(table), "split": "test"}},
            "report": {"formats": ["md"], "curve": "none"},
            "runtime": {"precision": "32", "workers": 0},
        }
        path = runs / f"{folder.name}.yaml"
        path.write_text(json.dumps(recipe), encoding="utf-8")
        run(path, [], folder, resume="auto" if folder.is_dir() else False)
    return dict(json.loads((folder / "scores.json").read_text(encoding="utf-8")))


def table_of(scored: dict[str, dict[str, Any]]) -> list[str]:
    """Recall at 10 of start and shipped model, by direction, beside chance."""
    lines = [
        "| run | model | alpha | image to text | text to image | mean | times chance | change |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, scores in scored.items():
        for model in ("zero_shot", "ensemble"):
            test = scores["models"][model]["test"]
            ways = [test[way]["recall@10"] for way in ("image_to_text", "text_to_image")]
            times = test["recall@10"] / test["chance@10"]
            change = test.get("difference", {}).get("recall@10")
            moved = ""
            if change is not None:
                low, high = (100 * end for end in change["ci"])
                moved = f"{100 * change['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
            shown = "start" if model == "zero_shot" else "shipped"
            alpha = "0" if model == "zero_shot" else f"{scores['alpha']:g}"
            cells = [*(f"{100 * way:.1f}" for way in (*ways, test["recall@10"])), f"{times:.1f}"]
            lines.append(f"| {name} | {shown} | {alpha} | {' | '.join([*cells, moved])} |")
    return lines


def page(scored: dict[str, dict[str, Any]]) -> list[str]:
    """What the script writes."""
    first = next(iter(scored.values()))
    card, test = first["data"], first["models"]["zero_shot"]["test"]
    chance = [100 * test[way]["chance@10"] for way in ("image_to_text", "text_to_image")]
    return [
        f"{card['train']['n']} photos with {card['train']['captions']} captions to learn from, "
        f"{card['val']['n']} to choose alpha on, {test['images']} with {test['captions']} captions "
        f"to test on, each of which is opened once. Recall at 10 in %; chance is {chance[0]:.1f} "
        f"from image to text and {chance[1]:.1f} from text to image.",
        "",
        *table_of(scored),
    ]


def main() -> None:
    """Run what is missing and write the table."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("page", type=Path)
    given.add_argument("--captions", type=Path, required=True)
    given.add_argument("--runs", type=Path, default=Path("bench-runs"))
    settings = given.parse_args()
    settings.runs.mkdir(parents=True, exist_ok=True)
    table = prepare(settings.captions, settings.runs / "photos")
    scored = {}
    for name in RUNS:
        scored[name] = finished(name, table.absolute(), settings.runs)
        rewrite_below(settings.page, MARKER, page(scored))


if __name__ == "__main__":
    main()
