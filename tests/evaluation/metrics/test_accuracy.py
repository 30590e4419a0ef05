"""Accuracy against scikit-learn, and what must not change a metric."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from adapt.errors import DataError
from adapt.evaluation.metrics.accuracy import accuracy, balanced_accuracy
from adapt.evaluation.metrics.losses import brier_score, negative_log_likelihood
from adapt.evaluation.metrics.per_class import confusion_matrix
from tests.helpers.probabilities import SINGLE, make


@pytest.mark.parametrize("skip", [None, 0, 2])
@pytest.mark.parametrize(("images", "classes"), [(1, 3), (7, 3), (200, 5), (50, 40)])
def test_equal_to_scikit_learn(images: int, classes: int, skip: int | None) -> None:
    probabilities, targets = make(images, classes, images, skip)
    logs = np.log(probabilities)
    predicted, labels = probabilities.argmax(axis=1), list(range(classes))
    assert accuracy(probabilities, targets) == sk.accuracy_score(targets, predicted)
    expected = sk.recall_score(targets, predicted, average="macro", labels=np.unique(targets))
    if len(np.unique(targets)) > 1:
        assert balanced_accuracy(logs, targets) == pytest.approx(expected, abs=1e-12)
    loss = sk.log_loss(targets, probabilities, labels=labels)
    assert negative_log_likelihood(logs, targets) == pytest.approx(loss)
    matrix = sk.confusion_matrix(targets, predicted, labels=labels)
    np.testing.assert_array_equal(confusion_matrix(probabilities, targets), matrix)
    brier = np.mean(
        [
            ((row - np.eye(classes)[t]) ** 2).sum()
            for row, t in zip(probabilities, targets, strict=True)
        ]
    )
    assert brier_score(logs, targets) == pytest.approx(brier)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(2, 6), st.integers(0, 10_000))
def test_order_of_images_and_of_classes_does_not_matter(
    images: int, classes: int, seed: int
) -> None:
    probabilities, targets = make(images, classes, seed)
    targets[:2] = 0, 1
    logs = np.log(probabilities)
    generator = np.random.default_rng(seed)
    shuffled, renamed = generator.permutation(images), generator.permutation(classes)
    for metric in SINGLE:
        value = metric(logs, targets)
        assert metric(logs[shuffled], targets[shuffled]) == pytest.approx(value, abs=1e-12)
        moved = metric(logs[:, renamed], np.argsort(renamed)[targets])
        assert moved == pytest.approx(value, abs=1e-12)


def test_one_class_is_no_score() -> None:
    with pytest.raises(DataError, match="not defined - there is only one class to choose from"):
        accuracy([[1.0], [2.0]], [0, 0])
    with pytest.raises(DataError, match="images of one class only"):
        balanced_accuracy([[1.0, 0.0], [2.0, 0.0]], [0, 0])
