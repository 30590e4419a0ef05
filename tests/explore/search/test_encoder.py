"""Questions are encoded by the model that made the index, and captions once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adapt.data.decoding.open import open_image
from adapt.data.sources.captions.pairs import UNLABELLED
from adapt.errors import DataError, RecipeError
from adapt.explore.search.encoder import QueryEncoder
from adapt.explore.search.index import Index
from adapt.explore.search.query import Query, QueryWeights
from adapt.models.backbones import Backbone
from adapt.models.classifier import Classifier
from adapt.predictions.opening import OpenModel, open_model
from tests.helpers.tiny import tiny_classifier


def encoder_of(model: Path) -> QueryEncoder:
    return QueryEncoder(open_model(model, "cpu"), str(model))


@pytest.fixture
def encoder(index: Index) -> QueryEncoder:
    return index.encoder


def text_features(model: Classifier, *texts: str) -> np.ndarray:
    with torch.inference_mode():
        made: np.ndarray = model.backbone.encode_text(list(texts)).numpy()
    return made


def test_the_direction_is_the_weighted_sum(
    encoder: QueryEncoder, model: Path, photos: Path
) -> None:
    clf = Classifier.load(model)
    image = sorted((photos / "clock").iterdir())[0]
    pixels = clf.backbone.preprocessing(open_image(image))[None]
    with torch.inference_mode():
        seen = clf.eval().features(pixels).numpy()[0]
    red, sand = text_features(clf, "red", "sand")
    total = 2 * red + 0.5 * seen - 0.25 * sand
    weights = QueryWeights(2, 0.5, 0.25)
    given = encoder.query(Query(("red",), (str(image),), ("sand",), weights=weights))
    np.testing.assert_allclose(given, total / np.linalg.norm(total), atol=1e-6)
    assert np.linalg.norm(given) == pytest.approx(1, abs=1e-6)


def test_templates_are_averaged_and_classes_have_their_prompts(
    encoder: QueryEncoder, model: Path
) -> None:
    clf = Classifier.load(model)
    templates = ["a {}", "a drawing of a {}."]
    mean = text_features(clf, "a bus", "a drawing of a bus.").mean(0)
    given = encoder.texts(["bus"], templates)[0]
    np.testing.assert_allclose(given, mean / np.linalg.norm(mean), atol=1e-6)
    head = F.normalize(clf.head.weight, dim=-1).detach().numpy()
    np.testing.assert_allclose(encoder.classes(["heart"])[0], head[2], atol=1e-6)
    with pytest.raises(RecipeError, match=r"not a class of the model - 'hart', did you mean"):
        encoder.classes(["hart"])


def test_a_model_without_classes_is_asked_for_none(photos: Path, tmp_path: Path) -> None:
    bundle = tiny_classifier(names=[UNLABELLED]).save(tmp_path / "model")
    with pytest.raises(RecipeError, match="the model answers no classes - image - write it as a"):
        encoder_of(bundle).classes([UNLABELLED])


def test_an_adapted_text_encoder_is_asked(model: Path, tmp_path: Path) -> None:
    adapted = Classifier.load(model)
    with torch.no_grad():
        for name, value in adapted.backbone.model.named_parameters():
            if not name.startswith("visual."):
                value.mul_(1.1)
    saved = adapted.rebuild_head().save(tmp_path / "adapted")
    own = encoder_of(saved).texts(["a bus"], ["{}"])
    np.testing.assert_allclose(own, text_features(adapted, "a bus"), atol=1e-6)
    assert abs(own - encoder_of(model).texts(["a bus"], ["{}"])).max() > 1e-3


def test_captions_are_encoded_once(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path))
    captions = [f"{number} red things" for number in range(40)]
    passes: list[int] = []
    encode = Backbone.encode_text

    def counted(self: Backbone, texts: list[str], batch_size: int = 256) -> torch.Tensor:
        passes.append(len(texts))
        return encode(self, texts, batch_size)

    monkeypatch.setattr(Backbone, "encode_text", counted)
    encoder = encoder_of(model)
    first = encoder.captions(captions)
    assert sum(passes) == 40
    assert np.array_equal(encoder.captions(captions), first)
    assert np.array_equal(encoder_of(model).captions(captions), first)  # another process
    assert sum(passes) == 40
    np.testing.assert_allclose(first, text_features(Classifier.load(model), *captions), atol=1e-6)
    encoder.captions(captions[:-1])
    assert sum(passes) > 40


def test_a_cut_caption_is_said_and_a_cut_question_refused(encoder: QueryEncoder) -> None:
    long = "word " * 40
    with pytest.warns(UserWarning, match="1 caption fills the context"):
        encoder.captions(["short", long])
    with pytest.raises(RecipeError, match=r"the 32 tokens of the text encoder - 'word .* \.\.\.'"):
        encoder.texts([long], ["{}"])


def test_parts_that_cancel_and_images_that_cannot_be_read(
    encoder: QueryEncoder, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="cancel each other - a bus - a bus"):
        encoder.query(Query(("a bus",), minus=("a bus",), weights=QueryWeights(minus=1)))
    with pytest.raises(DataError, match="no such file"):
        encoder.query(Query(images=(str(tmp_path / "no.jpg"),)))


def test_models_that_cannot_read_texts(model: Path) -> None:
    export: Any = SimpleNamespace()
    with pytest.raises(RecipeError, match="an export has no text encoder - a text is asked for"):
        QueryEncoder(OpenModel(export, "cpu", "32"), "out").texts(["a bus"], ["{}"])
    other = Classifier.load(model)
    other.backbone = other.backbone.with_features("penultimate")
    with pytest.raises(RecipeError, match=r"texts are in another space - .* penultimate"):
        QueryEncoder(OpenModel(other, "cpu", "32"), "out").captions(["a bus"])
