"""Malformed probabilities and targets are refused by everything that takes them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from adapt.errors import DataError
from adapt.evaluation.metrics.calibration import reliability_bins
from adapt.evaluation.metrics.per_class import confusion_matrix
from adapt.evaluation.metrics.scores import score
from tests.helpers.probabilities import SINGLE


@pytest.mark.parametrize(
    ("probabilities", "targets", "word"),
    [
        ([[2.0, 1.0]], [0], "softmax"),
        ([[1.5, -0.5]], [0], "distribution"),
        ([[np.nan, 1.0]], [0], "distribution"),
        ([[np.inf, 0.0]], [0], "distribution"),
        ([0.5, 0.5], [0], "one row per image"),
        ([[0.5, 0.5]], [0, 1], "one per image"),
        ([[0.5, 0.5]], [2], r"targets\[0\]"),
        ([[0.5, 0.5]], [-1], "no such class"),
        ([[0.5, 0.5]], [0.0], "not integers"),
        ([[0.5, 0.5]], [True], "not integers"),
    ],
)
def test_wrong_input_is_refused_by_all(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, word: str
) -> None:
    for metric in (confusion_matrix, reliability_bins):
        with pytest.raises(DataError, match=word):
            metric(probabilities, targets)


@pytest.mark.parametrize(
    ("logits", "targets", "word"),
    [
        ([[np.nan, 1.0]], [0], "no highest class"),
        ([[np.inf, 0.0]], [0], "no highest class"),
        ([0.5, 0.5], [0], "one row per image"),
        ([[0.5, 0.5]], [0, 1], "one per image"),
        ([[0.5, 0.5]], [2], r"targets\[0\]"),
        ([[0.5, 0.5]], [0.0], "not integers"),
    ],
)
def test_wrong_logits_are_refused_by_all(
    logits: npt.ArrayLike, targets: npt.ArrayLike, word: str
) -> None:
    for metric in (*SINGLE, score):
        with pytest.raises(DataError, match=word):
            metric(logits, targets)


@pytest.mark.parametrize("metric", SINGLE)
def test_no_images_is_no_score(metric: Callable[..., float]) -> None:
    with pytest.raises(DataError, match="one image or more"):
        metric(np.zeros((0, 3)), np.zeros(0, int))
