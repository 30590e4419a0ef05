"""Accuracies against direct computations."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix

from adapt.explore.weak_spots.measure import (
    confusion,
    image_features,
    measure,
    probe,
    text_encoder,
    zero_shot,
)
from adapt.explore.weak_spots.tasks.base import Question, tasks
from adapt.models.backbones import Backbone
from tests.helpers.tiny import tiny_classifier


def test_zero_shot_takes_the_most_similar_sentence() -> None:
    classifier = tiny_classifier()
    asked = tasks()["left_right"].questions(6, 0)
    features = image_features(classifier, asked)
    said = zero_shot(features, asked, text_encoder(classifier))
    for row, question in enumerate(asked):
        with torch.no_grad():
            texts = classifier.backbone.encode_text(list(question.sentences))
            pixels = classifier.backbone.preprocessing(question.image)[None]
            image = classifier.features(pixels)[0]
        assert torch.allclose(image, features[row], atol=1e-5)
        assert said[row] == int((texts @ image).argmax())


def test_sentences_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, asked = tiny_classifier(), list[list[str]]()
    encode = classifier.backbone.encode_text

    def counted(_: Backbone, texts: list[str]) -> torch.Tensor:
        asked.append(texts)
        return encode(texts)

    monkeypatch.setattr(Backbone, "encode_text", counted)
    known = text_encoder(classifier)
    first = known(["a", "b", "a"])
    assert torch.equal(first[0], first[2])
    known(["b", "c"])
    assert asked == [["a", "b"], ["c"]]


def test_a_probe_learns_what_is_there_and_nothing_else() -> None:
    random = np.random.default_rng(0)
    answers = np.arange(60) % 2
    told = np.eye(8)[answers] + 0.2 * random.normal(size=(60, 8))
    told /= np.linalg.norm(told, axis=1, keepdims=True)
    assert (probe(told, answers, 2) == answers).mean() == 1
    noise = random.normal(size=(60, 8))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    assert 0.2 < (probe(noise, answers, 2) == answers).mean() < 0.8


def test_confusion_as_scikit_learn() -> None:
    answers, said = np.array([0, 1, 2, 2, 1]), np.array([0, 2, 2, 1, 1])
    assert confusion(answers, said, 3) == confusion_matrix(answers, said).tolist()


def test_what_is_told() -> None:
    told = measure(tiny_classifier(), tasks()["counting"], 18, 0, text_encoder(tiny_classifier()))
    assert told["chance"] == pytest.approx(1 / 9)
    assert sum(map(sum, told["confusion"])) == 18
    right = sum(told["confusion"][place][place] for place in range(9))
    assert told["zero_shot"]["value"] == right / 18
    low, high = told["zero_shot"]["ci"]
    assert low <= told["zero_shot"]["value"] <= high


def test_images_of_any_size_are_read_as_predict_reads_them() -> None:
    classifier = tiny_classifier()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 80, 3), dtype=np.uint8))
    features = image_features(classifier, [Question(image, ("a", "b"), 0)])
    with torch.no_grad():
        direct = classifier.features(classifier.backbone.preprocessing(image)[None])
    assert torch.allclose(features, direct, atol=1e-5)
