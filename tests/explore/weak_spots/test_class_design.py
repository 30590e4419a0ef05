"""Answers that move with other classes."""

import numpy as np
import pytest
import torch

from adapt.errors import RecipeError
from adapt.explore.weak_spots.class_design import moves, text_logits, without
from adapt.models.classifier import Classifier
from tests.helpers.tiny import tiny_classifier


def test_added_classes_are_those_of_a_model_that_has_them() -> None:
    few, more = (
        Classifier.from_clip("adapt-icons-xs", "embedded", names, ["simple"])
        for names in (["cat", "dog"], ["cat", "dog", "red car"])
    )
    features = torch.nn.functional.normalize(torch.randn(5, few.head.in_features), dim=-1)
    with torch.no_grad():
        expected = more.head(features).double().numpy()
    assert text_logits(few, features, ["red car"]) == pytest.approx(expected, abs=1e-3)


def test_moves_are_counted_by_pair_and_group() -> None:
    before = np.array([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    after = np.hstack([before, [[3.0], [0.0], [3.0], [3.0]]])
    told = moves(before, after, (["a", "b"], ["a", "b", "c"]), ["x", "x", "y", "y"])
    assert told["moved"] == 3
    assert told["pairs"] == [["b", "c", 2], ["a", "c", 1]]
    assert told["groups"]["x"]["moved"] == 0.5
    assert told["groups"]["y"]["moved"] == 1.0
    assert told["groups"]["x"]["images"] == 2


def test_a_class_that_goes() -> None:
    logits, names = without(np.arange(6.0).reshape(2, 3), ["a", "b", "c"], ["b"])
    assert logits.tolist() == [[0.0, 2.0], [3.0, 5.0]]
    assert names == ["a", "c"]
    with pytest.raises(RecipeError, match="not a class"):
        without(logits, names, ["d"])
    with pytest.raises(RecipeError, match="too few"):
        without(logits, names, ["a"])


def test_a_class_that_is_there_is_refused() -> None:
    with pytest.raises(RecipeError, match="has this class already"):
        text_logits(tiny_classifier(), torch.zeros(1, 24), ["red_circle"])
