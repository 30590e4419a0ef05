"""What is said of one image."""

from pathlib import Path

import pytest

from adapt.data.images import Images
from adapt.errors import RecipeError
from adapt.explore.why.explain import explain
from adapt.explore.why.settings import WhySettings
from adapt.explore.why.training import TrainingSet
from tests.helpers.tiny import CLASSES, RESNET, draw_folder, tiny_classifier


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("explain") / "train", dict.fromkeys(CLASSES, 6), 0)


def test_answer_and_rival_are_those_of_predict(root: Path) -> None:
    classifier, image = tiny_classifier(), str(root / "red_circle" / "0.png")
    told = explain(classifier, image, settings=WhySettings(where=False))
    (said,) = classifier.predict(image)
    assert told["answer"]["class"] == said.label
    assert told["answer"]["probability"] == pytest.approx(said.confidence, abs=1e-6)
    assert [name for name, _ in said.top[:2]] == [told["answer"]["class"], told["rival"]["class"]]
    assert told["training"] == "no training images were given"
    assert told["regions"] == "it was not asked for"
    assert {word["class_name"] for word in told["words"]} == {
        told["answer"]["class"],
        told["rival"]["class"],
    }


def test_pulls_have_the_sign_of_their_side(root: Path) -> None:
    classifier, images = tiny_classifier(), Images.from_folder(root)
    training = TrainingSet.of(classifier, images)
    told = explain(classifier, images.paths[0], training, WhySettings(where=False, top=3))
    pulls = told["training"]["pulls"]
    assert all(entry["change"] < 0 for entry in pulls["answer"])
    assert all(entry["change"] > 0 for entry in pulls["rival"])
    assert pulls["answer"]
    assert len(pulls["rival"]) <= 3
    refitted = [entry["refitted"] for entry in pulls["answer"]]
    assert refitted == sorted(refitted)
    labels = {entry["label"] for entry in told["training"]["nearest"]["rival"]}
    assert labels == {told["rival"]["class"]}


def test_a_rival_is_chosen(root: Path) -> None:
    classifier, image = tiny_classifier(), str(root / "red_circle" / "0.png")
    usual = explain(classifier, image, settings=WhySettings(where=False))
    other = next(
        name for name in CLASSES if name not in (usual["answer"]["class"], usual["rival"]["class"])
    )
    assert (
        explain(classifier, image, settings=WhySettings(rival=other, where=False))["rival"]["class"]
        == other
    )
    with pytest.raises(RecipeError, match="is the answer"):
        explain(
            classifier, image, settings=WhySettings(rival=usual["answer"]["class"], where=False)
        )
    with pytest.raises(RecipeError, match="not a class"):
        explain(classifier, image, settings=WhySettings(rival="rde_circle", where=False))


def test_a_map_that_cannot_be_made_says_why(root: Path) -> None:
    told = explain(tiny_classifier(RESNET), str(root / "red_circle" / "0.png"))
    assert "not a transformer of open_clip" in told["regions"]["rollout"]
    assert len(told["regions"]["grad_cam"]["map"]) > 1
