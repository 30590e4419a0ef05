"""Both models say what `predict` says, of images that are decoded once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.comparison.answers import ask_both, said_by_logits
from adapt.data.shifts.shift import Shift
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, WeightsError
from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty
from tests.helpers.exports import full
from tests.helpers.tiny import CLASSES, TIMM, draw_folder, moved, tiny_classifier


def test_answers_are_those_of_predict(start: Classifier, toy_test: ImageList) -> None:
    a, b = full(start), full(moved(start), "aps")
    pair = ask_both("test", toy_test, a, b)
    for model, own in ((a, pair.a), (b, pair.b)):
        assert own.abstained is not None
        assert own.sets is not None
        for row, answer in enumerate(model.predict(toy_test.paths, top=3)):
            by_class = dict(answer.top)
            expected = [by_class[name] for name in CLASSES]
            np.testing.assert_allclose(own.probabilities[row], expected, atol=1e-6)
            assert own.abstained[row] == answer.abstained
            chosen = {name for name, held in zip(CLASSES, own.sets[row], strict=True) if held}
            assert chosen == set(answer.labels)


def test_each_model_reads_its_own_size(start: Classifier, toy_test: ImageList) -> None:
    other = tiny_classifier(TIMM)
    pair = ask_both("test", toy_test, start, other)
    expected = [answer.confidence for answer in other.predict(toy_test.paths)]
    np.testing.assert_allclose(pair.b.probabilities.max(axis=1), expected, atol=1e-6)
    assert pair.b.abstained is None
    assert pair.b.sets is None


def test_a_shift_is_applied(start: Classifier, toy_test: ImageList) -> None:
    shifted = toy_test.with_shift(Shift("brightness", 5))
    pair = ask_both("bright", shifted, start, start)
    expected = [start.predict(shifted.open(row))[0].confidence for row in range(len(shifted))]
    np.testing.assert_allclose(pair.a.probabilities.max(axis=1), expected, atol=1e-6)


def test_unreadable_images_are_left_out_and_named(start: Classifier, tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "photos", dict.fromkeys(CLASSES, 2), 0)
    (root / "green_cross" / "1.png").write_bytes(b"no image")
    pair = ask_both("test", from_folder(root), start, start)
    assert pair.unreadable == ["green_cross/1.png: not an image"]
    assert len(pair.images) == len(pair.a.probabilities) == 5
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="not one image of test can be read"):
        ask_both("test", from_folder(root), start, start)


def test_a_broken_model_is_refused(start: Classifier, toy_test: ImageList) -> None:
    broken = moved(start)
    with torch.no_grad():
        broken.head.weight.fill_(float("nan"))
    with pytest.raises(WeightsError, match="15 images"):
        ask_both("test", toy_test, start, broken)


def test_logits_are_judged_as_by_the_model() -> None:
    logits = np.array([[2.0, 0.0, 0.0], [0.1, 0.0, 0.2]], np.float32)
    stored = Uncertainty(abstain_below=0.5, abstain_coverage=0.9)
    said = said_by_logits(CLASSES, logits, 2.0, stored)
    powers = np.exp(logits.astype(np.float64) / 2)
    np.testing.assert_allclose(said.probabilities, powers / powers.sum(axis=1, keepdims=True))
    assert said.abstained is not None
    assert said.abstained.tolist() == [False, True]
    assert said.sets is None
    assert said.rows([1]).abstained == np.array([True])
