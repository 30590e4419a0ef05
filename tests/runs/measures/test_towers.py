"""A ResNet-50 of timm beside a CLIP in one report; a run of an image encoder alone."""

import json
from pathlib import Path

import pytest

from adapt.errors import RecipeError
from adapt.models.classifier import Classifier, verify_bundle
from adapt.recipe.load import load
from adapt.report.verdict import verdict
from adapt.runs.run import run
from tests.helpers.tiny import CLASSES, VIT, draw_folder

RESNET = "{arch: timm/resnet50, pretrained: random, image_size: 32}"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recipe")
    for seed, (name, each) in enumerate({"train": 8, "test": 4, "later": 3}.items()):
        draw_folder(root / name, dict.fromkeys(CLASSES, each), seed)
    path = root / "towers.yaml"
    path.write_text(f"""
name: towers
model: {{arch: {VIT}, pretrained: random, templates: [plain]}}
data:
  train: {{kind: folder, root: {root / "train"}}}
  val: {{from: train, fraction: 0.25}}
  augmentation: none
method: {{name: full, optim: {{lr: 1.0e-3, epochs: 2, batch_size: 8}}}}
ensemble: {{kind: wise_ft, alphas: 3}}
evals:
  test: {{kind: folder, root: {root / "test"}}}
  later: {{kind: folder, root: {root / "later"}}}
report: {{formats: [html, md], curve: none}}
runtime: {{accelerator: cpu, precision: "32", workers: 0}}
""")
    return path


def test_a_resnet_50_beside_a_clip(recipe: Path, tmp_path: Path) -> None:
    one_epoch = "method.optim.epochs=1"
    done = run(recipe, [f"model.beside=[{RESNET}]", one_epoch], tmp_path / "run")
    (tower,) = json.loads((done.folder / "towers.json").read_text())["towers"]
    assert tower["arch"] == "timm/resnet50"
    assert set(tower["models"]) == {"linear_probe", "adapted"}
    for model in tower["models"].values():
        assert [model[name]["n"] for name in ("val", "test", "later")] == [6, 12, 9]
    assert "start" not in done.scores
    report = (done.folder / "report.md").read_text()
    shown = next(line for line in report.splitlines() if "timm/resnet50" in line)
    assert "n/a (no text tower)" in shown
    assert report.count("| timm/resnet50") == 3


def test_an_image_encoder_alone(recipe: Path, tmp_path: Path) -> None:
    own = ["model={arch: timm/test_resnet, pretrained: random, image_size: 32}"]
    done = run(recipe, own, tmp_path / "run")
    scores = done.scores
    assert scores["start"] == "linear_probe"
    assert set(scores["models"]) >= {"zero_shot", "adapted", "ensemble"}
    assert "linear_probe" not in scores["models"], "it is where the run starts"
    assert any("Zero-shot is not measured: no text tower" in note for note in scores["notes"])
    sentences = verdict(scores)
    assert sentences[1].startswith("Zero-shot is not measured")
    assert not any("zero-shot" in sentence for sentence in sentences)
    assert "zero-shot" not in (done.folder / "report.md").read_text().replace("no zero-shot", "")
    assert "the linear probe" in scores["guard"]["reason"]
    verify_bundle(done.folder / "model")
    model = Classifier.load(done.folder / "model")
    assert not model.head_from_text
    file = next((recipe.parent / "test" / "red_circle").iterdir())
    assert model.predict(file)[0].label in CLASSES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["method={name: lora}"], "method.name - needs a text encoder"),
        (["data.val={from: train, folds: 2}"], "data.val.folds - needs a start that saw no label"),
        (["model.text={arch: none}"], "model.text.pretrained - missing"),
        (["method.optim.car_ft=1.0"], "method.optim.car_ft - needs a start"),
    ],
)
def test_what_an_image_encoder_cannot_do(recipe: Path, changes: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(recipe, ["model={arch: timm/test_resnet, pretrained: random}", *changes])


def test_settings_of_towers_are_for_towers(recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"model.image_size - for image encoders of timm only"):
        load(recipe, ["model.image_size=32"])
    with pytest.raises(RecipeError, match=r"model.beside\[0\].arch - not one of timm"):
        load(recipe, ["model.beside=[{arch: resnet50, pretrained: random}]"])
