"""Scores of models on sets, against scikit-learn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, WeightsError
from adapt.evaluation.evaluate import evaluate, softmax
from adapt.models.classifier import Classifier
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import (
    CLASSES,
    draw_folder,
    moved,
    tiny_classifier,
)

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=8)


@pytest.mark.numerical
def test_evaluate_against_scikit_learn(start: Classifier, splits: dict[str, ImageList]) -> None:
    tuned = moved(start, size=0.3).with_temperature(2.0)
    scores = evaluate({"zero_shot": start, "tuned": tuned}, splits, RUNTIME)
    for name, images in splits.items():
        truth = images.targets(CLASSES)
        for model_name, model in (("zero_shot", start), ("tuned", tuned)):
            logits = predict_logits(model, prepare(images, model.backbone.preprocessing), RUNTIME)
            expected = accuracy_score(truth, logits.argmax(1))
            found = scores[model_name][name]
            assert found["n"] == len(images)
            assert found["accuracy"] == pytest.approx(expected, abs=1e-12)
            scaled = np.exp(logits.astype(np.float64) / model.temperature)
            own = (scaled / scaled.sum(1, keepdims=True))[np.arange(len(truth)), truth]
            assert found["nll"] == pytest.approx(-np.log(own).mean(), rel=1e-6)
        assert "difference" not in scores["zero_shot"][name]
        assert "accuracy" in scores["tuned"][name]["difference"]


def test_evaluate_refuses_other_classes(
    start: Classifier, splits: dict[str, ImageList], tmp_path: Path
) -> None:
    turned = tiny_classifier(names=CLASSES[::-1])
    with pytest.raises(WeightsError, match="tuned - other classes than zero_shot"):
        evaluate({"zero_shot": start, "tuned": turned}, splits, RUNTIME)
    other = from_folder(draw_folder(tmp_path / "x", {"red_circle": 1}, 0))
    unknown = replace(other, labels=["star"], classes={})
    with pytest.raises(DataError, match="unknown class - 'star'"):
        evaluate({"zero_shot": start}, {"x": unknown}, RUNTIME)


def test_softmax_of_large_logits() -> None:
    logits = np.array([[1e4, 0.0, -1e4], [1.0, 2.0, 3.0]])
    found = softmax(logits, 2.0)
    np.testing.assert_allclose(found[0], [1, 0, 0])
    np.testing.assert_allclose(found[1], np.exp([0.5, 1, 1.5]) / np.exp([0.5, 1, 1.5]).sum())
