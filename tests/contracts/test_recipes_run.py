"""Every shipped recipe loads; those that need no outside data run end to end, small."""

import json
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from adapt.data.sources.embedded import EMBEDDED
from adapt.models.classifier import Classifier
from adapt.recipe.load import load
from adapt.recipe.shipped import find_recipe, recipe_names
from adapt.runs.run import Run, run

SMALLER = {
    "optim:": "method.optim.epochs=1",
    "alphas:": "ensemble.alphas=3",
    "train:": "data.train.shots=2",
    "fraction:": "data.val.fraction=0.05",
    "name: linear_probe,": "method.iterations=20",
    "name: group_dro": "method.steps=20",
    "name: clip_lora": "method.steps_per_shot=0",
    "name: auto": "method.candidates=[gda, tip_adapter]",
    "few_shot:": "few_shot={shots: [1], seeds: 2}",
    "members:": "ensemble.members=2",
    "folds:": "data.val={from: train, folds: 2}",
    "kind: wise_ft": "ensemble.corruptions=[contrast]",
}
# The costliest; others of their kind run, and `-m slow` runs these.
# Has files of its own; tests/runs/test_summary.py runs it small.
ELSEWHERE = ("several_labels",)
SLOW = ("paint", "flyp", "lp_ft", "soup", "robust_default", "lora_16shot", "wise_ft")
EMOJI = EMBEDDED / "pictograms" / "emoji" / "test"


@pytest.fixture(scope="module")
def few_emoji(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two test images of each class."""
    root = tmp_path_factory.mktemp("few") / "emoji"
    for folder in EMOJI.iterdir():
        (root / folder.name).mkdir(parents=True)
        for file in sorted(folder.iterdir())[:2]:
            shutil.copy(file, root / folder.name)
    return root


def on_embedded(name: str, test: Path) -> list[str]:
    """Overrides that make a recipe on the embedded drawings small."""
    text = find_recipe(name).read_text(encoding="utf-8")
    small = [change for key, change in SMALLER.items() if key in text]
    return [*small, f"evals={{test: {{kind: folder, root: {test}}}}}"]


@pytest.fixture(scope="module")
def quickstart(few_emoji: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One small run for all that is asked of it."""
    folder = tmp_path_factory.mktemp("quickstart") / "run"
    return run("quickstart", on_embedded("quickstart", few_emoji), folder)


def toy_folder(root: Path, per_class: int) -> Path:
    for hue, name in enumerate(("red", "green", "blue")):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            colour = [20 + number] * 3
            colour[hue] = 220
            Image.new("RGB", (40, 50), tuple(colour)).save(root / name / f"{number}.png")
    return root


def table_of(folder: Path) -> Path:
    """A table of a folder with a class per folder, and two sites in each class."""
    rows = [
        f"{path.relative_to(folder).as_posix()},{path.parent.name},{'ab'[int(path.stem) % 2]}"
        for path in sorted(folder.rglob("*.png"))
    ]
    table = folder / "labels.csv"
    table.write_text("\n".join(["path,label,site", *rows]), encoding="utf-8")
    return table


def own_data(name: str, folder: Path) -> list[str]:
    """Overrides that point a recipe at made-up data and the embedded model."""
    train, test = toy_folder(folder / "train", 6), toy_folder(folder / "test", 2)
    by_table = name.startswith("groups/")
    return [
        f"data.train.path={table_of(train)}" if by_table else f"data.train.root={train}",
        f"evals.shift={test}",
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


@pytest.mark.usefixtures("svg_alone")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow if n in SLOW else ())
        for n in recipe_names()
        if n not in ELSEWHERE and not n.startswith("pairs/")
    ],
)
def test_a_shipped_recipe_runs_small(
    name: str, tmp_path: Path, few_emoji: Path, request: pytest.FixtureRequest
) -> None:
    text = find_recipe(name).read_text(encoding="utf-8")
    if name == "quickstart":
        done = request.getfixturevalue("quickstart")
    elif "embedded, name" in text:
        done = run(name, on_embedded(name, few_emoji), tmp_path / "run")
    else:
        small = [change for key, change in SMALLER.items() if key in text]
        done = run(name, small + own_data(name, tmp_path), tmp_path / "run")
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
    FileLock(done.folder / ".lock", timeout=0).acquire().lock.release()
    scores = json.loads((done.folder / "scores.json").read_text())
    assert (done.folder / "curve.json").is_file() == ("kind: wise_ft" in text)
    if "kind: wise_ft" in text:
        curve = json.loads((done.folder / "curve.json").read_text())
        line = curve["probe"] if scores["shipped"] == "mixed_probe" else curve
        assert scores["alpha"] == line["chosen"]
        # the ends of the curve are the two models
        for alpha, model in ((0, "zero_shot"), (-1, "adapted")):
            for split, row in scores["models"][model].items():
                assert curve["points"][alpha][split]["accuracy"] == row["accuracy"]
    # the saved recipe runs again as it is
    again = load(done.folder / "recipe.yaml")
    assert again.recipe.seed == scores["seed"]


@pytest.mark.usefixtures("svg_alone")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow if n != "pairs/lit" else ())
        for n in recipe_names()
        if n.startswith("pairs/")
    ],
)
def test_a_recipe_for_pairs_runs_small(name: str, few_emoji: Path, tmp_path: Path) -> None:
    sets = f"evals.emoji={{kind: folder, root: {few_emoji}}}"
    small = ["method.optim.epochs=1", "ensemble.alphas=3", "data.train.shots=40", "~evals.outline"]
    done = run(name, [*small, "data.val.fraction=0.05", sets], tmp_path / "run")
    for file in ("scores.json", "curve.json", "report.html", "report.md", "model/classifier.json"):
        assert (done.folder / file).stat().st_size > 0, file
    curve = json.loads((done.folder / "curve.json").read_text())
    assert done.scores["alpha"] == curve["chosen"]
    assert len(done.classifier.class_names) == 32
    for alpha, model in ((0, "zero_shot"), (-1, "adapted")):
        assert (
            curve["points"][alpha]["test"]["recall@10"]
            == (done.scores["models"][model]["test"]["recall@10"])
        )
    assert load(done.folder / "recipe.yaml").recipe.seed == 0


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(quickstart: Run, few_emoji: Path, tmp_path: Path) -> None:
    again = [*on_embedded("quickstart", few_emoji), "runtime.workers=1", "report.formats=[]"]
    second = run("quickstart", again, tmp_path / "again")
    assert quickstart.scores["models"] == second.scores["models"]
    a, b = (Classifier.load(one.folder / "model").state_dict() for one in (quickstart, second))
    assert all((a[name] == b[name]).all() for name in a)


def test_scores_of_the_bundle_are_those_of_the_report(quickstart: Run, few_emoji: Path) -> None:
    files = sorted(few_emoji.rglob("*.png"))
    predictions = Classifier.load(quickstart.folder / "model").predict(files)
    right = sum(p.label == Path(p.source).parent.name for p in predictions)
    shown = quickstart.scores["models"]["ensemble"]["test"]
    assert shown["n"] == len(files) == 64
    assert right / len(files) == pytest.approx(shown["accuracy"], abs=1e-12)
    confidences = [p.confidence for p in predictions]
    assert 1 / 32 <= min(confidences) <= max(confidences) <= 1
