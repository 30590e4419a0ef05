"""One prediction per input, in order, whatever the others are."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adapt.data.decoding.formats import refuse
from adapt.errors import RecipeError
from adapt.models.classifier import Classifier
from adapt.models.prediction.inputs import NamedImage
from adapt.models.prediction.stream import ImageLike, Prediction
from tests.helpers.tiny import drawing, tiny_classifier


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return tiny_classifier().with_temperature(0.5)


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    random = np.random.default_rng(3)
    return [drawing(label, random) for label in ["red_circle", "blue_square", "green_cross"] * 2]


def values(prediction: Prediction) -> tuple[str | None, float, list[tuple[str, float]]]:
    return prediction.label, prediction.confidence, prediction.top


@pytest.mark.numerical
def test_against_a_direct_computation(classifier: Classifier, images: list[Image.Image]) -> None:
    (found,) = classifier.predict([images[0]], top=2)
    with torch.no_grad():
        pixels = classifier.backbone.preprocessing(images[0])[None]
        logits = classifier(pixels)[0].double().numpy()
    expected = np.exp(logits / 0.5) / np.exp(logits / 0.5).sum()
    order = np.argsort(-expected)
    assert found.label == classifier.class_names[order[0]]
    assert [name for name, _ in found.top] == [classifier.class_names[i] for i in order[:2]]
    np.testing.assert_allclose([p for _, p in found.top], expected[order[:2]], atol=1e-6)
    assert found.confidence == found.top[0][1]
    assert (found.source, found.error) == ("image 0", None)
    assert len(classifier.predict([images[0]], top=99)[0].top) == 3


@pytest.mark.numerical
def test_paths_images_and_arrays_agree(
    classifier: Classifier, images: list[Image.Image], tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    images[0].save(path)
    alpha = images[0].convert("RGBA")
    kinds: list[ImageLike] = [path, str(path), images[0], np.asarray(images[0]), alpha]
    found = classifier.predict(kinds)
    # Rows of one batch may be added up in different orders, so the last bits may differ.
    for prediction in found:
        assert prediction.label == found[0].label
        assert [name for name, _ in prediction.top] == [name for name, _ in found[0].top]
        np.testing.assert_allclose(
            [value for _, value in prediction.top], [value for _, value in found[0].top], atol=1e-6
        )
    sources = [prediction.source for prediction in found]
    assert sources == [str(path), str(path), "image 2", "image 3", "image 4"]


@pytest.fixture
def mixed(images: list[Image.Image], tmp_path: Path) -> tuple[list[ImageLike], list[int]]:
    """Good and bad inputs, and where the bad ones stand."""
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    images[1].save(tmp_path / "whole.png")
    half = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(half[: len(half) // 2])
    inputs: list[ImageLike] = [
        tmp_path / "text.png",
        images[0],
        tmp_path / "empty.jpg",
        np.zeros((4, 4, 7), np.uint8),
        images[1],
        tmp_path / "half.png",
        tmp_path / "nothing.png",
        tmp_path,
        images[2],
        np.zeros((0, 4), np.uint8),
    ]
    return inputs, [0, 2, 3, 5, 6, 7, 9]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_bad_inputs_disturb_no_others(
    batch_size: int,
    classifier: Classifier,
    images: list[Image.Image],
    mixed: tuple[list[ImageLike], list[int]],
) -> None:
    inputs, bad = mixed
    found = classifier.predict(inputs, batch_size)
    assert [number for number, p in enumerate(found) if p.error is not None] == bad
    for number in bad:
        assert values(found[number]) == (None, 0.0, [])
        source = inputs[number]
        if isinstance(source, Path):
            assert found[number].source == str(source)
            assert str(source) in (found[number].error or "")
    for number, image in zip((1, 4, 8), images, strict=False):
        (alone,) = classifier.predict([image])
        assert found[number].label == alone.label
        assert found[number].confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_order_and_batch_size(classifier: Classifier, images: list[Image.Image]) -> None:
    whole = classifier.predict(images)
    for batch_size in (1, 4, 5):
        found = classifier.predict(images, batch_size)
        assert [p.source for p in found] == [f"image {n}" for n in range(6)]
        assert [p.label for p in found] == [p.label for p in whole]
        for one, other in zip(found, whole, strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
    turned = classifier.predict(images[::-1])
    assert [p.label for p in turned] == [p.label for p in whole][::-1]
    assert len({p.confidence for p in whole}) == 6, "images must be told apart"


def test_it_is_lazy(classifier: Classifier, images: list[Image.Image]) -> None:
    taken = []

    def endless() -> object:
        while True:
            taken.append(1)
            yield images[0]

    stream = classifier.predict_iter(endless(), batch_size=2)  # type: ignore[arg-type]
    for _ in range(3):
        next(stream)
    assert len(taken) == 4


@pytest.mark.parametrize(("batch_size", "top"), [(0, 5), (-1, 5), (1, 0)])
def test_sizes_out_of_range(
    batch_size: int, top: int, classifier: Classifier, images: list[Image.Image]
) -> None:
    with pytest.raises(RecipeError, match="give an integer of 1 or more"):
        classifier.predict(images, batch_size, top)


def test_no_inputs(classifier: Classifier) -> None:
    assert classifier.predict([]) == []


def test_threads_and_features_change_no_number(
    classifier: Classifier, mixed: tuple[list[ImageLike], list[int]]
) -> None:
    inputs, bad = mixed
    expected = classifier.predict(inputs, 3)
    for threads in (0, 1, 3):
        answers = list(classifier.predictor.stream(inputs, 3, 5, threads, features=True))
        assert answers == expected
        assert [n for n, answer in enumerate(answers) if answer.features is None] == bad
    assert all(answer.features is None for answer in expected)
    with torch.no_grad():
        own = classifier.backbone.preprocessing(inputs[1])[None]  # type: ignore[arg-type]
        features = classifier.features(own)[0]
    given = answers[1].features
    assert given is not None
    np.testing.assert_allclose(given, features, atol=1e-6)
    assert expected[0].reason == "not an image"
    assert [answer.reason is None for answer in expected] == [n not in bad for n in range(10)]


def test_named_images(classifier: Classifier, images: list[Image.Image], tmp_path: Path) -> None:
    images[0].save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    problem = refuse("x.tar/c", "too large", "9 bytes", "make it smaller")
    inputs = [
        NamedImage("x.tar/a", content),
        NamedImage("x.tar/b", content[:60]),
        NamedImage("x.tar/c", problem=problem),
        NamedImage("x.tar/d", images[0]),
    ]
    assert [item.held for item in inputs] == [len(content), 60, 0, 0]
    answers = list(classifier.predictor.stream(inputs, threads=2))
    assert [answer.source for answer in answers] == [f"x.tar/{name}" for name in "abcd"]
    assert answers[0].top == answers[3].top == classifier.predict([images[0]] * 2)[0].top
    assert str(answers[1].error).startswith("x.tar/b - damaged or truncated image - ")
    assert (answers[2].error, answers[2].reason) == (str(problem), "too large")


def test_a_threshold_in_place_of_the_stored_one(
    classifier: Classifier, images: list[Image.Image]
) -> None:
    answers = classifier.predict(images)
    least = sorted(answer.confidence for answer in answers)[2]
    stricter = dataclasses.replace(classifier.predictor, abstain_below=least)
    expected = [answer.confidence < least for answer in answers]
    assert [answer.abstained for answer in stricter.stream(images)] == expected
    assert sum(expected) == 2
