"""One image or many, in every form; what is neither is refused by its type."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from adapt.data.sources.folders import from_folder
from adapt.errors import DataError, RecipeError
from adapt.models.classifier import Classifier
from adapt.models.prediction.inputs import is_one, listed
from tests.helpers.tiny import drawing, tiny_classifier


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return tiny_classifier()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("one") / "one.png"
    drawing("red_circle", np.random.default_rng(0)).save(path)
    return path


def test_one_image_gives_one_prediction(classifier: Classifier, path: Path) -> None:
    image = Image.open(path)
    pixels = np.asarray(image)
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    expected = classifier.predict([path])
    for source in (path, str(path), image, pixels, tensor, path.read_bytes(), tensor / 255):
        assert is_one(source)
        (answer,) = classifier.predict(source)
        assert answer.top == expected[0].top
        assert answer.error is None
    assert classifier.predict(path)[0].source == str(path)


def test_many_images_in_every_form(classifier: Classifier, path: Path) -> None:
    pixels = np.asarray(Image.open(path))
    batch = np.stack([pixels, pixels[::-1]])
    expected = [answer.top for answer in classifier.predict(list(batch))]
    tensor = torch.from_numpy(batch).permute(0, 3, 1, 2)
    for many in (batch, tensor, tuple(batch), (image for image in batch), iter(batch)):
        assert [answer.top for answer in classifier.predict(many)] == expected
    frame = pd.DataFrame({"path": [str(path)] * 2})
    for paths in (
        frame["path"],
        frame["path"].to_numpy(),
        path.parent.glob("*.png"),
        map(str, [path]),
    ):
        answers = classifier.predict(paths)
        assert {answer.label for answer in answers} == {expected[0][0][0]}
        assert answers[0].confidence == pytest.approx(expected[0][0][1], abs=1e-6)
    assert classifier.predict([]) == []


WRONG = {
    "None": (None, "NoneType"),
    "number": (3, "int"),
    "mapping": ({"a": "a.png"}, "dict - give its values"),
    "set": ({"a.png"}, "set - give a list, which has an order"),
    "file": (io.BytesIO(b""), "BytesIO - give its bytes"),
    "table": (pd.DataFrame({"path": ["a.png"]}), "DataFrame - give its column of paths"),
    "numbers": (np.zeros(3), "ndarray of float64, shape (3,)"),
    "no array": (np.array(3), "ndarray of int64, shape ()"),
    "five dimensions": (
        torch.zeros(1, 1, 3, 8, 8),
        "Tensor of torch.float32, shape (1, 1, 3, 8, 8)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_image(classifier: Classifier, name: str) -> None:
    given, said = WRONG[name]
    for predict in (classifier.predict, classifier.predict_iter):
        with pytest.raises(DataError) as caught:
            predict(given)  # type: ignore[arg-type]
        assert said in str(caught.value)


def test_image_lists_say_what_to_give(classifier: Classifier, toy_root: Path) -> None:
    with pytest.raises(DataError, match=r"ImageList - give its paths: images.paths"):
        classifier.predict(from_folder(toy_root / "test"))  # type: ignore[arg-type]


def test_an_item_that_is_no_image_leaves_the_others(classifier: Classifier, path: Path) -> None:
    items = [path, None, 3, {"path": path}, [path], io.BytesIO(path.read_bytes()), path]
    answers = classifier.predict(items)  # type: ignore[arg-type]
    assert [answer.error is None for answer in answers] == [True] + [False] * 5 + [True]
    kinds = ["NoneType", "int", "dict", "list", "_io.BytesIO"]
    for answer, kind in zip(answers[1:6], kinds, strict=True):
        assert str(answer.error).startswith(f"<input> - not an image - {kind} - give a path")


@pytest.mark.parametrize("number", [0, -1, 2.0, "2", True, None])
@pytest.mark.parametrize("name", ["batch_size", "top"])
def test_numbers_are_checked_at_once(classifier: Classifier, name: str, number: object) -> None:
    with pytest.raises(RecipeError, match=f"predict - out of range - {name} {number!r}"):
        classifier.predict_iter([], **{name: number})  # type: ignore[arg-type]


def test_a_batch_is_read_lazily() -> None:
    read: list[int] = []

    def images() -> object:
        for number in range(9):
            read.append(number)
            yield np.zeros((4, 4), np.uint8)

    stream = listed(images())
    assert read == []
    next(iter(stream))
    assert read == [0]
