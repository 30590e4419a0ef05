"""Every shipped recipe loads; those that need no outside data run end to end, small."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from adapt.data.sources.embedded import EMBEDDED
from adapt.models.classifier import Classifier
from adapt.recipe.load import load
from adapt.recipe.shipped import find_recipe, recipe_names
from adapt.runs.run import run

TINY = ["method.optim.epochs=1", "ensemble.alphas=3", "data.train.shots=2"]
SMALLER = {
    "optim:": TINY[0],
    "alphas:": TINY[1],
    "train:": TINY[2],
    "name: linear_probe,": "method.iterations=20",
    "name: clip_lora": "method.steps_per_shot=0",
    "name: auto": "method.candidates=[gda, tip_adapter]",
    "few_shot:": "few_shot={shots: [1], seeds: 2}",
    "members:": "ensemble.members=2",
    "folds:": "data.val.folds=2",
    "kind: wise_ft": "ensemble.corruptions=[contrast]",
}
ONE_EVAL = ["evals={test: {kind: embedded, name: pictograms, domain: emoji}}"]


def toy_folder(root: Path, per_class: int) -> Path:
    for hue, name in enumerate(("red", "green", "blue")):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            colour = [20 + number] * 3
            colour[hue] = 220
            Image.new("RGB", (40, 50), tuple(colour)).save(root / name / f"{number}.png")
    return root


def own_data(name: str, folder: Path) -> list[str]:
    """Overrides that point a recipe at made-up data and the embedded model."""
    train, test = toy_folder(folder / "train", 6), toy_folder(folder / "test", 2)
    if name == "pacs_photo":
        rows = [(f"{p.parent.name}/{p.name}", p.parent.name) for p in sorted(train.rglob("*.png"))]
        table = folder / "table.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "split"])
            writer.writerows((*row, "val" if row[0].endswith("5.png") else "train") for row in rows)
        places = ["data.train", *(f"evals.{e}" for e in ("photo", "art", "cartoon", "sketch"))]
        return [
            f"{place}.{key}={value}"
            for place in places
            for key, value in (("path", table), ("root", train))
        ]
    return [
        f"data.train.root={train}",
        f"evals.test.root={test}",
        f"evals.shift.root={test}",
        "model.arch=adapt-icons-xs",
        "model.pretrained=embedded",
    ]


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_says_what_it_is(name: str) -> None:
    text = find_recipe(name).read_text(encoding="utf-8")
    header = [line for line in text.splitlines() if line.startswith("#")]
    assert header[0].startswith("# ")
    assert any("adapt run" in line or "python bench/" in line for line in header)
    assert any("Expected:" in line for line in header)


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_runs_small(name: str, tmp_path: Path) -> None:
    text = find_recipe(name).read_text(encoding="utf-8")
    small = [change for key, change in SMALLER.items() if key in text]
    overrides = small + (ONE_EVAL if "embedded, name" in text else own_data(name, tmp_path))
    done = run(name, overrides, tmp_path / "run")
    for file in (
        "recipe.yaml",
        "environment.json",
        "split.json",
        "scores.json",
        "robustness.json",
        "uncertainty.json",
        "adapted/classifier.json",
        "log.txt",
        "per_class.csv",
        "confusion.csv",
        "report.html",
        "report.md",
    ):
        assert (done.folder / file).stat().st_size > 0, file
    assert not (done.folder / ".running").exists()
    scores = json.loads((done.folder / "scores.json").read_text())
    assert (done.folder / "curve.json").is_file() == ("kind: wise_ft" in text)
    if "kind: wise_ft" in text:
        curve = json.loads((done.folder / "curve.json").read_text())
        assert scores["alpha"] == curve["chosen"]
        # the ends of the curve are the two models
        for alpha, model in ((0, "zero_shot"), (-1, "adapted")):
            for split, row in scores["models"][model].items():
                assert curve["points"][alpha][split]["accuracy"] == row["accuracy"]
    # the saved recipe runs again as it is
    again = load(done.folder / "recipe.yaml")
    assert again.recipe.seed == scores["seed"]


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    first = run("quickstart", TINY + ONE_EVAL, tmp_path / "a")
    second = run("quickstart", [*TINY, *ONE_EVAL, "runtime.workers=1"], tmp_path / "b")
    assert first.scores["models"] == second.scores["models"]
    a, b = (Classifier.load(done.folder / "model").state_dict() for done in (first, second))
    assert all((a[name] == b[name]).all() for name in a)


def test_scores_of_the_bundle_are_those_of_the_report(tmp_path: Path) -> None:
    done = run("quickstart", TINY + ONE_EVAL, tmp_path / "run")
    test = EMBEDDED / "pictograms" / "emoji" / "test"
    files = sorted(test.rglob("*.png"))
    predictions = Classifier.load(done.folder / "model").predict(files)
    right = sum(p.label == Path(p.source).parent.name for p in predictions)
    shown = done.scores["models"]["ensemble"]["test"]
    assert right / len(files) == pytest.approx(shown["accuracy"], abs=1e-12)
    confidences = [p.confidence for p in predictions]
    assert 1 / 32 <= min(confidences) <= max(confidences) <= 1
