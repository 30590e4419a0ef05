"""A run on pairs from a table to the bundle, small; what such a recipe may not say."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adapt.data.sources.captions.pairs import from_pairs
from adapt.errors import RecipeError
from adapt.models.classifier import Classifier, verify_bundle
from adapt.models.settings import TextTower
from adapt.models.towers.timm_tower import load_tower
from adapt.recipe.load import load
from adapt.report.verdict import verdict
from adapt.runs.pairs import cut_note
from adapt.runs.run import Run, run
from tests.helpers.pairs import draw_pairs
from tests.helpers.tiny import CLASSES, VIT, draw_folder, tiny_classifier

TEXT = f"{{arch: {VIT}, pretrained: random}}"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recipe")
    train, test = draw_pairs(root / "train"), draw_pairs(root / "test", 4, seed=1)
    classes = draw_folder(root / "classes", dict.fromkeys(CLASSES, 3), seed=2)
    path = root / "pairs.yaml"
    path.write_text(f"""
name: pairs
model: {{arch: {VIT}, pretrained: random, templates: [plain]}}
data:
  train: {{kind: pairs, path: {train}}}
  val: {{from: train, fraction: 0.3}}
  augmentation: none
method: {{name: contrastive, optim: {{lr: 3.0e-3, epochs: 6, batch_size: 6}}}}
ensemble: {{kind: wise_ft, alphas: 3}}
evals:
  test: {{kind: pairs, path: {test}}}
  classes: {{kind: folder, root: {classes}}}
  fog: {{of: test, shift: fog, severity: 2}}
report: {{formats: [html, md]}}
runtime: {{accelerator: cpu, precision: "32", workers: 0}}
""")
    return path


@pytest.fixture(scope="module")
def done(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(recipe, [], tmp_path_factory.mktemp("run") / "run")


def test_what_a_run_on_pairs_says(done: Run) -> None:
    scores = done.scores
    assert scores["task"] == "pairs"
    assert set(scores["models"]["ensemble"]) == {"val", "test", "fog", "classes"}
    assert scores["data"]["train"] == {
        "n": 13, "task": "pairs", "captions": 26, "kind": "natural",
    }  # fmt: skip
    test = scores["models"]["ensemble"]["test"]
    assert (test["images"], test["captions"]) == (12, 24)
    assert test["text_to_image"]["chance@5"] == pytest.approx(5 / 12)
    curve = json.loads((done.folder / "curve.json").read_text())
    assert [point["alpha"] for point in curve["points"]] == [0.0, 0.5, 1.0]
    losses = [point["pairs"]["nll"] for point in curve["points"]]
    chosen = [point["alpha"] for point in curve["points"]].index(scores["alpha"])
    assert losses[chosen] <= losses[0]
    assert scores["guard"]["reason"].endswith(("held-out pairs.", "the start."))
    sentences = verdict(scores)
    assert any("very few" in sentence for sentence in sentences)
    report = (done.folder / "report.md").read_text()
    for words in ("Recall at 10", "Retrieval on test", "Zero-shot accuracy", "chance", "12 images"):
        assert words in report, words


def test_the_bundle_answers_classes_by_name(done: Run) -> None:
    model = Classifier.load(done.folder / "model")
    verify_bundle(done.folder / "model")
    assert model.class_names == CLASSES
    image = np.zeros((40, 40, 3), np.uint8)
    assert model.predict(image)[0].label in CLASSES


def test_a_text_encoder_learns_to_read_for_a_tower_of_timm(recipe: Path, tmp_path: Path) -> None:
    tower = f"{{arch: timm/test_resnet, pretrained: random, image_size: 32, text: {TEXT}}}"
    changes = [f"model={tower}", "method={name: lit, optim: {lr: 3.0e-3, epochs: 4}}", "~evals.fog"]
    done = run(recipe, changes, tmp_path / "run")
    start = load_tower("timm/test_resnet", "random", 0, 32, TextTower(VIT, "random"))
    model = Classifier.load(done.folder / "model").backbone.model
    before, after = start.model.visual.state_dict(), model.visual.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    verify_bundle(done.folder / "model")
    curve = json.loads((done.folder / "curve.json").read_text())
    losses = [point["pairs"]["nll"] for point in curve["points"]]
    assert min(losses) < losses[0]
    assert r"timm/test\_resnet" in (done.folder / "report.md").read_text()


def test_a_run_that_is_complete_is_read(recipe: Path, done: Run) -> None:
    again = run(recipe, [], done.folder, resume=True)
    assert again.scores == json.loads((done.folder / "scores.json").read_text())


def test_captions_that_are_cut_are_counted(tmp_path: Path) -> None:
    images = from_pairs(draw_pairs(tmp_path / "train"))
    start = tiny_classifier()
    assert cut_note(start, images) is None
    images.columns["caption"][0] = "short\n" + "word " * 100
    note = cut_note(start, images)
    assert note is not None
    assert note.startswith("train: 1 caption fills the context of the text encoder")
    assert note.endswith(" word ...'")
    assert len(note) < 170
    spec = replace(start.backbone.spec, arch="timm/resnet50")
    assert cut_note(SimpleNamespace(backbone=SimpleNamespace(spec=spec)), images) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("method={name: full}", "method.name - does not learn from captions"),
        ("method.captions=prompts", "method.captions - no class has a prompt here"),
        ("data.val={from: train, folds: 2}", "data.val.folds - has no meaning for captions"),
        ("ensemble.rule=synthetic_shift", "ensemble.rule - looks at no captions"),
        ("few_shot.shots=[1]", "few_shot.shots - has no meaning for captions"),
        ("data.train={kind: embedded, name: pictograms, domain: emoji}",
         "evals.test - captions, and train has classes"),
    ],
)  # fmt: skip
def test_what_is_refused(recipe: Path, change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(recipe, [change])
