"""From a run folder and an image to the page."""

import json
from pathlib import Path

import pytest

from adapt.data.images import Images
from adapt.data.sources.folders import from_folder
from adapt.errors import BundleError, DataError, RecipeError
from adapt.explore.why.result import why
from adapt.explore.why.settings import WhySettings
from adapt.models.prediction.labelling import SeveralLabels
from tests.helpers.tiny import CLASSES, draw_folder, tiny_classifier


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of a run folder is needed: the recipe, and the model."""
    folder = tmp_path_factory.mktemp("run")
    draw_folder(folder / "train", dict.fromkeys(CLASSES, 6), 0)
    (folder / "run").mkdir()
    (folder / "run" / "recipe.yaml").write_text(
        "version: 1\nname: t\nmodel: {arch: test-tiny-vit, pretrained: random}\n"
        f"data: {{train: {{kind: folder, root: {folder}/train}}, "
        "val: {from: train, fraction: 0.3}}\nmethod: {name: zero_shot}\n"
    )
    tiny_classifier().save(folder / "run" / "model")
    return folder


def test_a_run_folder_knows_its_training_images(run: Path, tmp_path: Path) -> None:
    image = run / "train" / "red_circle" / "0.png"
    done = why(run / "run", [image])
    assert done.content["training_images"] == 18
    nearest = done.content["images"][0]["training"]["nearest"]
    assert all(entry["path"].endswith(".png") for own in nearest.values() for entry in own)
    page = done.write(tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "0.png" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    stored = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(done.content))
    with pytest.raises(RecipeError, match="exists"):
        done.write(tmp_path)


def test_several_labels_per_image(run: Path, tmp_path: Path) -> None:
    """Of a classifier and of its bundle alike; a label is held against its absence."""
    plain = tiny_classifier()
    several = plain.with_labelling(SeveralLabels([["no x"]] * len(plain.class_names)))
    image, seen = run / "train" / "red_circle" / "0.png", from_folder(run / "train")
    bundle, settings = several.save(tmp_path / "several"), WhySettings(label="red_circle")
    done = [why(model, [image], seen, settings) for model in (several, bundle)]
    assert done[0].content["images"] == done[1].content["images"]
    (told,) = done[0].content["images"]
    assert {told["answer"]["class"], told["rival"]["class"]} == {"red_circle", "not red_circle"}
    page = done[0].write(tmp_path / "out").read_text(encoding="utf-8")
    assert "not red_circle" in page
    with pytest.raises(RecipeError, match="--rival - not where images have several"):
        why(several, [image], seen, WhySettings(rival="red_circle"))
    with pytest.raises(RecipeError, match="--label - not where an image has one label"):
        why(plain, [image], seen, settings)


def test_a_bundle_alone_says_nothing_of_training(run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "model"
    (run / "run" / "model").rename(moved)
    try:
        done = why(
            moved, [run / "train" / "red_circle" / "0.png"], settings=WhySettings(where=False)
        )
        assert done.content["images"][0]["training"] == "no training images were given"
        given = why(
            moved,
            [run / "train" / "red_circle" / "0.png"],
            run / "train",
            settings=WhySettings(where=False),
        )
        assert given.content["training_images"] == 18
    finally:
        moved.rename(run / "run" / "model")


def test_training_images_that_are_gone(run: Path) -> None:
    images = Images.from_folder(run / "train")
    images.paths[3] = str(run / "gone.png")
    with pytest.raises(DataError, match="a training image is gone"):
        why(tiny_classifier(), [images.paths[0]], images)


def test_an_export_has_no_layers(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(BundleError, match="no layers to look into"):
        why(tmp_path, [tmp_path / "a.png"])
