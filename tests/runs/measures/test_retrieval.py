"""An eval of images with captions, from a recipe to scores and report."""

import json
from pathlib import Path

import pytest

from adapt.data.sources.captions.pairs import from_pairs
from adapt.errors import RecipeError
from adapt.evaluation.retrieval import retrieval
from adapt.models.classifier import Classifier
from adapt.recipe.load import load
from adapt.runs.run import run
from tests.helpers.tiny import VIT

RECIPE = """
version: 1
name: captions
model: {{arch: {arch}, pretrained: random}}
data: {{train: {{kind: folder, root: {root}/train}}, val: {{kind: folder, root: {root}/val}}}}
method: {{name: full, optim: {{lr: 1.0e-3, epochs: 1, batch_size: 8}}}}
ensemble: {{alphas: 3, rule: fixed, alpha: 0.5}}
evals:
  test: {{kind: folder, root: {root}/test}}
  words: {{kind: retrieval, path: {table}, root: {root}}}
report: {{formats: [md], curve: none}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


@pytest.fixture
def recipe(toy_root: Path, tmp_path: Path) -> Path:
    """Captions of the drawings of the test set: their class, and a number."""
    rows = ["path,caption"]
    for number, path in enumerate(sorted((toy_root / "test").rglob("*.png"))):
        name = path.relative_to(toy_root).as_posix()
        rows += [f"{name},a {path.parent.name}", f"{name},drawing {number}"]
    table = tmp_path / "captions.csv"
    table.write_text("\n".join(rows))
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(arch=VIT, root=toy_root, table=table))
    return path


@pytest.mark.usefixtures("svg_alone")
def test_scores_are_those_of_the_saved_models(recipe: Path, toy_root: Path, tmp_path: Path) -> None:
    done = run(recipe, [], tmp_path / "run")
    stored = json.loads((done.folder / "scores.json").read_text())
    scores = stored["retrieval"]["words"]
    assert list(scores["models"]) == ["zero_shot", "adapted", "ensemble"]
    assert (scores["images"], scores["captions"], scores["cut"]) == (15, 30, 0)
    assert "words" in stored["opened"]
    assert "words" not in stored["models"]["adapted"]
    images = from_pairs(tmp_path / "captions.csv", toy_root)
    models = {name: Classifier.load(done.folder / name) for name in ("adapted", "model")}
    again = retrieval(models, images)["models"]
    for direction in ("text_to_image", "image_to_text"):
        for key in ("recall@1", "recall@5", "recall@10"):
            adapted, mixed = (scores["models"][n][direction][key] for n in ("adapted", "ensemble"))
            assert again["adapted"][direction][key] == pytest.approx(adapted)
            if stored["shipped"] == "ensemble":
                assert again["model"][direction][key] == pytest.approx(mixed)
    report = (done.folder / "report.md").read_text()
    assert "Retrieval on words: images for a caption" in report
    assert "Retrieval on words: captions for an image" in report


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("data.train={{kind: retrieval, path: {table}}}", "data.train.kind - for evals only"),
        ("evals.fog={{of: words, shift: fog, severity: 1}}", "is itself a retrieval set"),
        ("evals.words.shots=3", "evals are never sampled"),
    ],
)
def test_only_for_evals(recipe: Path, override: str, problem: str) -> None:
    given = override.format(table=recipe.parent / "captions.csv")
    with pytest.raises(RecipeError, match=problem):
        load(recipe, [given])
