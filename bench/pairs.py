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
from bench.pairs_words import paragraph, reference

MARKER = "<!-- written by bench/pairs.py -->"
EMBEDDED = {"arch": "adapt-icons-xs", "pretrained": "embedded"}
TIMM = {"arch": "timm/resnet18", "pretrained": "random", "image_size": 64, "text": EMBEDDED}
FEW = {"lr": 3e-3, "epochs": 20, "batch_size": 128, "weight_decay": 20.0}
"""For about a thousand pairs: a decay that takes most of what a step adds to words seen rarely."""
PLAIN = {"lr": 1e-3, "epochs": 16, "batch_size": 128}
BOTH = {"lr": 1e-3, "epochs": 8, "batch_size": 128}
LIT = {"name": "lit", "scale": 10.0, "word_dropout": 0.3, "optim": FEW}
WORDS = {
    "name": "lit",
    "loss": "words",
    "scale": 10.0,
    "word_dropout": 0.3,
    "optim": {"lr": 1e-3, "epochs": 40, "batch_size": 128, "weight_decay": 0.1},
}
SEEDS = (0, 1, 2)
RUNS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, ...]]] = {
    "LiT, words": (EMBEDDED, WORDS, SEEDS),
    "LiT, words, ResNet-18 of timm, random weights": (TIMM, WORDS, (0,)),
    "LiT, softmax": (EMBEDDED, LIT, SEEDS),
    "LiT, softmax, the projection trains too": (EMBEDDED, {**LIT, "image_projection": True}, SEEDS),
    "LiT, sigmoid (SigLIP)": (
        EMBEDDED,
        {"name": "lit", "loss": "siglip", "word_dropout": 0.3, "optim": FEW},
        (0,),
    ),
    "LiT, ResNet-18 of timm, random weights": (TIMM, LIT, (0,)),
    "both encoders, softmax (CLIP)": (
        EMBEDDED,
        {"name": "contrastive", "scale": 10.0, "word_dropout": 0.3, "optim": BOTH},
        (0,),
    ),
    "both encoders, sigmoid (SigLIP)": (
        EMBEDDED,
        {"name": "contrastive", "loss": "siglip", "word_dropout": 0.3, "optim": BOTH},
        (0,),
    ),
    "LiT, softmax, weight decay 0.1, all words": (
        EMBEDDED,
        {"name": "lit", "scale": 10.0, "optim": PLAIN},
        (0,),
    ),
    "LiT, sigmoid (SigLIP), weight decay 0.1, all words": (
        EMBEDDED,
        {"name": "lit", "loss": "siglip", "optim": PLAIN},
        (0,),
    ),
}
"""Model, method and seeds; the settings were chosen on held-out parts of the training photos."""
EMOJI = {"kind": "embedded", "name": "pictograms", "domain": "emoji"}
CLASSES: dict[str, dict[str, Any]] = {
    "linear probe": {"name": "linear_probe"},
    "DeViSE": {"name": "devise"},
}
"""Methods that learn classes, on the embedded emoji, each beside a tower of timm."""
BESIDE = {"arch": "timm/resnet50", "pretrained": "random", "image_size": 64}


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


def finished(name: str, recipe: dict[str, Any], runs: Path) -> dict[str, Any]:
    """The folder of a run as its files say it, which is run if it is not there."""
    folder = runs / "".join(letter if letter.isalnum() else "-" for letter in name)
    if not (folder / "scores.json").is_file():
        whole = {
            "name": folder.name,
            "report": {"formats": ["html", "md"], "curve": "none"},
            "runtime": {"precision": "32", "workers": 0},
            **recipe,
        }
        path = runs / f"{folder.name}.yaml"
        path.write_text(json.dumps(whole), encoding="utf-8")
        run(path, [], folder, resume="auto" if folder.is_dir() else False)
    scores = dict(json.loads((folder / "scores.json").read_text(encoding="utf-8")))
    towers = folder / "towers.json"
    if towers.is_file():
        scores |= json.loads(towers.read_text(encoding="utf-8"))
    return scores


def on_pairs(name: str, seed: int, table: Path) -> dict[str, Any]:
    """The recipe of a run on photos with captions."""
    model, method, _ = RUNS[name]
    return {
        "seed": seed,
        "model": model,
        "data": {
            "train": {"kind": "pairs", "path": str(table), "split": "train"},
            "val": {"from": "train", "fraction": 0.1},
            "augmentation": "none",
        },
        "method": method,
        "ensemble": {"kind": "wise_ft", "alphas": 3},
        "evals": {"test": {"kind": "pairs", "path": str(table), "split": "test"}},
    }


def on_classes(method: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a run on embedded emoji."""
    return {
        "seed": 0,
        "model": {**EMBEDDED, "beside": [BESIDE]},
        "data": {"train": EMOJI, "val": {"from": "train", "fraction": 0.2}, "augmentation": "none"},
        "method": method,
        "ensemble": {"kind": "wise_ft", "alphas": 6},
        "evals": {"emoji": EMOJI, "outline": {**EMOJI, "domain": "outline"}},
    }


def table_of(scored: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Recall at 10 of start and shipped model beside chance: a line for each seed."""
    ways = "image to text | text to image | mean"
    lines = [
        f"| run | seed | model | alpha | {ways} | times chance | change |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, seeds in scored.items():
        for scores in seeds:
            models = ("zero_shot", "ensemble") if scores is seeds[0] else ("ensemble",)
            lines += [_line(name, scores, model) for model in models]
    return lines


def _line(name: str, scores: dict[str, Any], model: str) -> str:
    test = scores["models"][model]["test"]
    ways = [test[way]["recall@10"] for way in ("image_to_text", "text_to_image")]
    change, moved = test.get("difference", {}).get("recall@10"), ""
    if change is not None:
        low, high = (100 * end for end in change["ci"])
        moved = f"{100 * change['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
    shown = "start" if model == "zero_shot" else "shipped"
    alpha = "0" if model == "zero_shot" else f"{scores['alpha']:g}"
    numbers = [f"{100 * way:.1f}" for way in (*ways, test["recall@10"])]
    cells = [
        name,
        str(scores["seed"]),
        shown,
        alpha,
        *numbers,
        f"{times_chance(scores, model):.1f}",
    ]
    return f"| {' | '.join([*cells, moved])} |"


def times_chance(scores: dict[str, Any], model: str = "ensemble") -> float:
    """Recall at 10 on the test photos over that of a random order."""
    test = scores["models"][model]["test"]
    return float(test["recall@10"] / test["chance@10"])


def classes_table(scored: dict[str, dict[str, Any]]) -> list[str]:
    """Accuracy on the embedded emoji, of CLIP's methods and of the tower of timm beside it."""
    lines = ["| model | emoji | outline |", "|---|---:|---:|"]
    first = next(iter(scored.values()))
    rows = {"CLIP (`adapt-icons-xs`), zero-shot": first["models"]["zero_shot"]}
    for name, scores in scored.items():
        rows[f"CLIP, {name}"] = scores["models"]["adapted"]
    for tower in first["towers"]:
        rows |= {
            f"`{tower['arch']}`, {tower['pretrained']} weights, {name.replace('_', ' ')}": own
            for name, own in tower["models"].items()
        }
    for name, own in rows.items():
        cells = [f"{100 * own[split]['accuracy']:.1f}" for split in ("emoji", "outline")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def page(
    scored: dict[str, list[dict[str, Any]]],
    classes: dict[str, dict[str, Any]],
    words: dict[str, Any] | None = None,
) -> list[str]:
    """What the script writes.

    Args:
        scored: Runs on photos by name, one for each seed.
        classes: Runs on the embedded emoji.
        words: The reference of `bench.pairs_words`.
    """
    first = next(iter(scored.values()))[0]
    card, test = first["data"], first["models"]["zero_shot"]["test"]
    chance = [100 * test[way]["chance@10"] for way in ("image_to_text", "text_to_image")]
    lit = [times_chance(scores) for scores in next(iter(scored.values()))]
    lines = [
        f"{card['train']['n']} photos with {card['train']['captions']} captions to learn from, "
        f"{card['val']['n']} to choose alpha on, {test['images']} with {test['captions']} captions "
        f"to test on, each of which is opened once. Recall at 10 in %; chance is {chance[0]:.1f} "
        f"from image to text and {chance[1]:.1f} from text to image. LiT with the settings above "
        f"reaches {sum(lit) / len(lit):.1f} times chance in the mean of {len(lit)} seeds "
        f"({min(lit):.1f} to {max(lit):.1f}).",
        "",
        *table_of(scored),
    ]
    if words is not None:
        lines += ["", paragraph(words)]
    if classes:
        lines += ["", "## Image encoders and class names, on the embedded emoji", ""]
        lines += ["Accuracy in %; the names of 32 classes in place of captions.", ""]
        lines += classes_table(classes)
    return lines


def main() -> None:
    """Run what is missing and write the tables."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("page", type=Path)
    given.add_argument("--captions", type=Path, required=True)
    given.add_argument("--runs", type=Path, default=Path("bench-runs"))
    settings = given.parse_args()
    settings.runs.mkdir(parents=True, exist_ok=True)
    table = prepare(settings.captions, settings.runs / "photos").absolute()
    classes = {
        name: finished(f"classes {name}", on_classes(method), settings.runs)
        for name, method in CLASSES.items()
    }
    scored: dict[str, list[dict[str, Any]]] = {}
    words = reference(table, settings.runs / "words.json")
    for name, (_, _, seeds) in RUNS.items():
        for seed in seeds:
            recipe = on_pairs(name, seed, table)
            own = finished(f"{name} {seed}", recipe, settings.runs)
            scored.setdefault(name, []).append(own)
            rewrite_below(settings.page, MARKER, page(scored, classes, words))


if __name__ == "__main__":
    main()
