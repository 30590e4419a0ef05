"""Several labels per image: drawn scenes, and photos whose labels are words of their captions.

    python -m bench.several_labels --captions CAPTIONS --runs bench-runs \
        docs/benchmarks/several_labels.md

`CAPTIONS` holds photos, `captions.json` (path to captions) and `manifest.csv` (path, split). A
photo has the label of a word if one of its captions uses it. Without `--captions` the scenes alone
are measured. A run that is finished is not run again.
"""

import argparse
import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapt.data.sources.captions.pairs import captions_of, from_pairs
from adapt.runs.run import run
from bench.document import rewrite_below
from bench.pairs import prepare

MARKER = "<!-- written by bench/several_labels.py -->"
WORDS = """
man men guy|woman women lady|boy boys|girl girls|child children kid kids toddler|baby
people person adult adults|crowd|dog dogs puppy|cat cats|bird birds|horse horses|toy toys
ball balls|frisbee|bicycle bike bikes bicycles|motorcycle motorcycles|car cars|bus|train
boat boats|skateboard|ski skis skiing skier|surfboard surf surfer surfing|helmet helmets
backpack backpacks|hat cap hats|shirt shirts|jacket coat|shorts|pants jeans|dress
glasses sunglasses|water|ocean sea|wave waves|lake pond|river stream creek|pool|beach shore
sand sandy|snow snowy|rock rocks rocky|cliff ledge|mountain mountains|hill hills|grass grassy
field|dirt|tree trees|forest woods wooded|flowers flower|path trail|street road
sidewalk pavement|bridge|building buildings|city|wall|fence|sign signs|bench|table|chair chairs
bed|desk|computer laptop|kitchen|sink|toilet|bathroom|food|plate bowl|window windows|door|stick
rope|park|playground|sky
"""
"""80 labels, each by the words that stand for it, of which the first is its name."""
METHODS: dict[str, dict[str, Any]] = {
    "linear probe": {"name": "linear_probe"},
    "LoRA": {"name": "lora", "encoder": "both", "optim": {"lr": 2e-3, "epochs": 6}},
    "full": {"name": "full", "optim": {"lr": 1e-3, "epochs": 6, "batch_size": 32}},
}


def words_of_labels() -> dict[str, set[str]]:
    """The words of each label, by its name.

    >>> len(words_of_labels()), sorted(words_of_labels()["boat"])
    (80, ['boat', 'boats'])
    """
    groups = [own.split() for own in re.split(r"[|\n]", WORDS.strip())]
    return {own[0]: set(own) for own in groups}


def labels_in(captions: Sequence[str], words: Mapping[str, set[str]]) -> list[str]:
    """Labels of which a caption uses a word.

    >>> labels_in(["Two dogs on a boat."], words_of_labels())
    ['dog', 'boat']
    """
    used = set(re.findall("[a-z]+", " ".join(captions).lower()))
    return [name for name, own in words.items() if own & used]


def label_photos(captions: Path, folder: Path) -> Path:
    """A table of small copies of the photos with the labels that their captions name."""
    pairs, words = prepare(captions, folder), words_of_labels()
    rows = []
    for split in ("train", "test"):
        images = from_pairs(pairs, split=split)
        for path, own in zip(images.paths, captions_of(images), strict=True):
            named = "|".join(labels_in(own, words))
            rows.append((Path(path).relative_to(folder).as_posix(), named, split))
    table = folder / "labels.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "labels", "split"), *rows])
    return table


def sets_of(photos: Path | None) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Training images and evals by the name of the set."""
    scenes = {"kind": "scenes", "domain": "emoji"}
    sets: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "scenes": (
            {**scenes, "images": 300},
            {
                "test": {**scenes, "images": 200},
                "outline": {**scenes, "domain": "outline", "images": 150},
            },
        )
    }
    if photos is not None:
        table = {"kind": "table", "path": str(photos), "separator": "|"}
        sets["photos"] = {**table, "split": "train"}, {"test": {**table, "split": "test"}}
    return sets


def finished(
    name: str, train: dict[str, Any], evals: dict[str, Any], method: dict[str, Any], runs: Path
) -> dict[str, Any]:
    """The scores of a run, which is run if it is not there."""
    folder = runs / "".join(letter if letter.isalnum() else "-" for letter in name)
    if not (folder / "scores.json").is_file():
        recipe = {
            "name": folder.name,
            "model": {"arch": "adapt-icons-xs", "pretrained": "embedded"},
            "data": {
                "train": train,
                "val": {"from": "train", "fraction": 0.25},
                "augmentation": "none",
            },
            "method": method,
            "ensemble": {"kind": "wise_ft", "alphas": 6},
            "evals": evals,
            "report": {"formats": ["html", "md"], "curve": "none"},
            "runtime": {"precision": "32", "workers": 0},
        }
        path = runs / f"{folder.name}.yaml"
        path.write_text(json.dumps(recipe), encoding="utf-8")
        run(path, [], folder, resume="auto" if folder.is_dir() else False)
    return dict(json.loads((folder / "scores.json").read_text(encoding="utf-8")))


def rows_of(name: str, scores: Mapping[str, Any], first: bool) -> list[str]:
    """Lines of the table: zero-shot with the first method of a set, then the method's own."""
    models = scores["models"]
    shown = {"zero-shot": "zero_shot"} if first else {}
    if "adapted" in models:
        shown[name] = "adapted"
    shipped = str(scores["shipped"])
    at = {
        "ensemble": f"alpha {scores['alpha']:g}",
        "mixed_probe": f"the probe beside it, alpha {scores['alpha']:g}",
        "zero_shot": "zero-shot",
    }
    if shipped in at:
        shown[f"{name}, shipped ({at[shipped]})"] = shipped
    lines = []
    for title, model in shown.items():
        for split in scores["data"]["evals"]:
            cells = [_with_interval(models[model][split], key) for key in KEYS]
            change = models[model][split].get("difference", {}).get("mAP")
            moved = "" if change is None else _moved(change)
            lines.append(f"| {split} | {title} | {' | '.join([*cells, moved])} |")
    return lines


KEYS = ("mAP", "f1_micro", "f1_macro")


def _with_interval(row: Mapping[str, Any], key: str) -> str:
    low, high = (100 * end for end in row[f"{key}_ci"])
    return f"{100 * row[key]:.1f} ({low:.1f} to {high:.1f})"


def _moved(change: Mapping[str, Any]) -> str:
    low, high = (100 * end for end in change["ci"])
    return f"{100 * change['difference']:+.1f} ({low:+.1f} to {high:+.1f})"


def page(name: str, scored: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the script writes about a set."""
    scores = next(iter(scored.values()))
    card, models = scores["data"], scores["models"]
    evals = list(card["evals"])
    chance = ", ".join(f"{100 * models['chance'][split]['mAP']:.1f} on {split}" for split in evals)
    tested = ", ".join(
        f"{models['zero_shot'][split]['n']} images with {models['zero_shot'][split]['labels']} "
        f"labels ({split})"
        for split in evals
    )
    lines = [
        f"## {name.capitalize()}",
        "",
        f"{len(scores['classes'])} labels; {card['train']['n']} images to learn from, "
        f"{card['val']['n']} to choose alpha, calibration and thresholds on, {tested} to test on. "
        f"mAP of chance: {chance}.",
        "",
        "| set | model | mAP | F1 micro | F1 macro | mAP against zero-shot |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for number, (method, own) in enumerate(scored.items()):
        lines += rows_of(method, own, number == 0)
    guards = [f"{method}: {own['guard']['reason']}" for method, own in scored.items()]
    return [*lines, "", "The guard said:", "", *(f"- {guard}" for guard in guards), ""]


def main() -> None:
    """Run what is missing and write the tables."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("page", type=Path)
    given.add_argument("--captions", type=Path)
    given.add_argument("--runs", type=Path, default=Path("bench-runs"))
    settings = given.parse_args()
    settings.runs.mkdir(parents=True, exist_ok=True)
    photos = None
    if settings.captions is not None:
        photos = label_photos(settings.captions, settings.runs.absolute() / "photos")
    lines: list[str] = []
    for name, (train, evals) in sets_of(photos).items():
        scored: dict[str, dict[str, Any]] = {}
        for method, own in METHODS.items():
            title = f"labels {name} {method}"
            scored[method] = finished(title, train, evals, own, settings.runs)
            rewrite_below(settings.page, MARKER, [*lines, *page(name, scored)])
        lines += page(name, scored)


if __name__ == "__main__":
    main()
