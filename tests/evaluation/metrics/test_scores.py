"""All metrics at once, with intervals, against slow resampling."""

import time

import numpy as np
import pytest

from adapt.evaluation.metrics.bootstrap import (
    resampling_indices,
)
from adapt.evaluation.metrics.scores import score
from tests.helpers.probabilities import SINGLE, make


def test_score_of_no_images_is_none() -> None:
    scores = score(np.zeros((0, 3)), [])
    assert scores.pop("n") == 0
    assert len(scores) == 10
    assert set(scores.values()) == {None}


@pytest.mark.parametrize(
    ("images", "classes", "skip"), [(1, 2, None), (60, 4, 3), (90, 12, 0), (90, 1, None)]
)
def test_score_equals_metrics_on_resampled_images(
    images: int, classes: int, skip: int | None
) -> None:
    probabilities, targets = make(images, classes, 5, skip)
    scores = score(probabilities, targets, samples=40, seed=3)
    draws = np.concatenate(list(resampling_indices(images, 40, seed=3)))
    for key, metric in zip(
        ("accuracy", "balanced_accuracy", "nll", "brier", "ece"), SINGLE, strict=True
    ):
        assert scores[key] == metric(probabilities, targets)
        slow = [metric(probabilities[draw], targets[draw]) for draw in draws]
        expected = np.percentile(slow, [2.5, 97.5])
        np.testing.assert_allclose(scores[f"{key}_ci"], expected, atol=1e-12, err_msg=key)


def test_score_is_seeded_and_fast() -> None:
    probabilities, targets = make(10_000, 10)
    start = time.process_time()
    first = score(probabilities, targets)
    assert time.process_time() - start < 6
    assert first == score(probabilities, targets)
    assert first["nll_ci"] != score(probabilities, targets, seed=1)["nll_ci"]


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator, covered = np.random.default_rng(0), 0
    for trial in range(200):
        right = generator.random(100) < 0.7
        probabilities = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
        low, high = score(probabilities, [0] * 100, samples=200, seed=trial)["accuracy_ci"]
        covered += low <= 0.7 <= high
    assert 175 <= covered <= 199
