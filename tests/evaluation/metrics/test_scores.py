"""Metrics against scikit-learn, slow loops and torchmetrics."""

import itertools
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torchmetrics.functional.classification import multiclass_calibration_error

from adapt.errors import AdaptError, DataError
from adapt.evaluation.metrics import scores as metrics
from adapt.evaluation.metrics.bootstrap import (
    paired_difference,
    percentile_interval,
    resampling_counts,
    resampling_indices,
)

SINGLE = (
    metrics.accuracy,
    metrics.balanced_accuracy,
    metrics.negative_log_likelihood,
    metrics.brier_score,
    metrics.expected_calibration_error,
)


def make(
    images: int, classes: int, seed: int = 0, skip: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Random probabilities that lean to the target; no image of class ``skip``."""
    generator = np.random.default_rng(seed)
    pool = [index for index in range(classes) if index != skip]
    targets = generator.choice(pool, images)
    logits = generator.normal(size=(images, classes)) + 1.5 * np.eye(classes)[targets]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, targets


@pytest.mark.parametrize("skip", [None, 0, 2])
@pytest.mark.parametrize(("images", "classes"), [(1, 3), (7, 3), (200, 5), (50, 40)])
def test_equal_to_scikit_learn(images: int, classes: int, skip: int | None) -> None:
    probabilities, targets = make(images, classes, images, skip)
    predicted, labels = probabilities.argmax(axis=1), list(range(classes))
    assert metrics.accuracy(probabilities, targets) == sk.accuracy_score(targets, predicted)
    expected = sk.recall_score(targets, predicted, average="macro", labels=np.unique(targets))
    assert metrics.balanced_accuracy(probabilities, targets) == pytest.approx(expected, abs=1e-12)
    loss = sk.log_loss(targets, probabilities, labels=labels)
    assert metrics.negative_log_likelihood(probabilities, targets) == pytest.approx(loss)
    matrix = sk.confusion_matrix(targets, predicted, labels=labels)
    np.testing.assert_array_equal(metrics.confusion_matrix(probabilities, targets), matrix)
    brier = np.mean(
        [
            ((row - np.eye(classes)[t]) ** 2).sum()
            for row, t in zip(probabilities, targets, strict=True)
        ]
    )
    assert metrics.brier_score(probabilities, targets) == pytest.approx(brier)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("skip", [None, 1])
def test_per_class_equal_to_scikit_learn(skip: int | None) -> None:
    probabilities, targets = make(30, 12, 3, skip)
    table = metrics.per_class_table(probabilities, targets)
    expected = sk.precision_recall_fscore_support(
        targets, probabilities.argmax(axis=1), labels=range(12), zero_division=np.nan
    )
    for name, column in zip(("precision", "recall", "f1", "n"), expected, strict=True):
        mine = [np.nan if row[name] is None else row[name] for row in table]
        np.testing.assert_allclose(mine, column, rtol=1e-12, err_msg=name)


def test_class_without_images_is_none_and_not_zero() -> None:
    table = metrics.per_class_table([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], [0, 0], ["a", "b", "c"])
    assert table[1] == {"name": "b", "n": 0, "recall": None, "precision": 0.0, "f1": 0.0}
    assert table[2] == {"name": "c", "n": 0, "recall": None, "precision": None, "f1": None}


def slow_ece(probabilities: np.ndarray, targets: np.ndarray, bins: int = 15) -> float:
    total, edges = 0.0, np.linspace(0, 1, bins + 1)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    for lower, upper in itertools.pairwise(edges):
        inside = (confidence > lower) & (confidence <= upper)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return total


@pytest.mark.parametrize("seed", range(5))
def test_ece_equal_to_loop_and_torchmetrics(seed: int) -> None:
    probabilities, targets = make(300, 4, seed)
    mine = metrics.expected_calibration_error(probabilities, targets)
    assert mine == pytest.approx(slow_ece(probabilities, targets), abs=1e-12)
    theirs = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(targets), num_classes=4, n_bins=15
    )
    assert mine == pytest.approx(float(theirs), abs=1e-6)


def test_certain_images_share_the_last_bin() -> None:
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.98, 0.02], [0.98, 0.02]])
    targets = [1, 1, 0, 0]  # gaps of opposite sign cancel only inside one bin
    bins = metrics.reliability_bins(probabilities, targets)
    assert [row["n"] for row in bins] == [0] * 14 + [4]
    assert bins[0]["confidence"] is None
    assert metrics.expected_calibration_error(probabilities, targets) == pytest.approx(0.49)


def test_ece_of_calibrated_and_of_overconfident() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 40_000)
    targets = (generator.random(40_000) > confidence).astype(int)
    calibrated = np.stack([confidence, 1 - confidence], axis=1)
    assert metrics.expected_calibration_error(calibrated, targets) < 0.01
    certain = np.tile([0.999, 0.001], (40_000, 1))
    assert metrics.expected_calibration_error(certain, targets) == pytest.approx(0.249, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 10_000))
def test_order_of_images_and_of_classes_does_not_matter(
    images: int, classes: int, seed: int
) -> None:
    probabilities, targets = make(images, classes, seed)
    generator = np.random.default_rng(seed)
    shuffled, renamed = generator.permutation(images), generator.permutation(classes)
    for metric in SINGLE:
        value = metric(probabilities, targets)
        assert metric(probabilities[shuffled], targets[shuffled]) == pytest.approx(value, abs=1e-12)
        moved = metric(probabilities[:, renamed], np.argsort(renamed)[targets])
        assert moved == pytest.approx(value, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 10_000))
def test_matrix_table_and_bins_count_every_image_once(images: int, classes: int, seed: int) -> None:
    probabilities, targets = make(images, classes, seed)
    assert metrics.confusion_matrix(probabilities, targets).sum() == images
    assert sum(row["n"] for row in metrics.per_class_table(probabilities, targets)) == images
    assert sum(row["n"] for row in metrics.reliability_bins(probabilities, targets)) == images


def test_impossible_image_costs_a_finite_loss() -> None:
    loss = metrics.negative_log_likelihood([[1.0, 0.0]], [1])
    assert loss == pytest.approx(-np.log(1e-12))


def test_tie_goes_to_the_first_class() -> None:
    uniform = np.full((6, 3), 1 / 3)
    assert metrics.confusion_matrix(uniform, [0, 1, 2, 0, 1, 2])[:, 0].tolist() == [2, 2, 2]


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
    for metric in (*SINGLE, metrics.score, metrics.confusion_matrix, metrics.reliability_bins):
        with pytest.raises(DataError, match=word):
            metric(probabilities, targets)


@pytest.mark.parametrize("metric", SINGLE)
def test_no_images_is_no_score(metric: Callable[..., float]) -> None:
    with pytest.raises(DataError, match="no images"):
        metric(np.zeros((0, 3)), np.zeros(0, int))


def test_score_of_no_images_is_none() -> None:
    scores = metrics.score(np.zeros((0, 3)), [])
    assert scores.pop("n") == 0
    assert len(scores) == 10
    assert set(scores.values()) == {None}


def test_half_precision_is_accepted() -> None:
    probabilities, targets = make(100, 30)
    rounded = probabilities.astype(np.float16)
    expected = metrics.brier_score(probabilities, targets)
    assert metrics.brier_score(rounded, targets) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("images", "classes", "skip"), [(1, 2, None), (60, 4, 3), (90, 12, 0), (90, 1, None)]
)
def test_score_equals_metrics_on_resampled_images(
    images: int, classes: int, skip: int | None
) -> None:
    probabilities, targets = make(images, classes, 5, skip)
    scores = metrics.score(probabilities, targets, samples=40, seed=3)
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
    first = metrics.score(probabilities, targets)
    assert time.process_time() - start < 6
    assert first == metrics.score(probabilities, targets)
    assert first["nll_ci"] != metrics.score(probabilities, targets, seed=1)["nll_ci"]


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator, covered = np.random.default_rng(0), 0
    for trial in range(200):
        right = generator.random(100) < 0.7
        probabilities = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
        low, high = metrics.score(probabilities, [0] * 100, samples=200, seed=trial)["accuracy_ci"]
        covered += low <= 0.7 <= high
    assert 175 <= covered <= 199


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 50), st.integers(1, 30), st.integers(0, 1000))
def test_counts_are_the_indices_counted(images: int, samples: int, seed: int) -> None:
    counts = np.concatenate(list(resampling_counts(images, samples, seed)))
    draws = np.concatenate(list(resampling_indices(images, samples, seed)))
    expected = [np.bincount(draw, minlength=images) for draw in draws]
    np.testing.assert_array_equal(counts, expected)


def test_many_images_come_in_blocks() -> None:
    blocks = [len(block) for block in resampling_indices(900_000, 5)]
    assert blocks == [2, 2, 1]


def test_percentile_interval_refuses_nonsense() -> None:
    assert percentile_interval([3.0]) == [3.0, 3.0]
    for values, level in (([], 0.95), ([np.nan], 0.95), ([[1.0]], 0.95), ([1.0], 1.0)):
        with pytest.raises(AdaptError):
            percentile_interval(values, level)
    with pytest.raises(AdaptError, match="nothing to resample"):
        next(resampling_indices(0))


def test_paired_difference_is_narrower_than_two_intervals() -> None:
    generator = np.random.default_rng(0)
    second = generator.random(500) < 0.6
    first = second | (generator.random(500) < 0.08)
    result = paired_difference(first, second, seed=1)
    assert result["difference"] == pytest.approx(first.mean() - second.mean())
    draws = np.concatenate(list(resampling_indices(500, 1000, seed=1)))
    slow = [first[draw].mean() - second[draw].mean() for draw in draws]
    np.testing.assert_allclose(result["ci"], np.percentile(slow, [2.5, 97.5]), atol=1e-12)
    assert 0 < result["ci"][0] < result["difference"] < result["ci"][1] < 0.06


def test_paired_difference_turns_with_its_sides() -> None:
    first, second = [1, 1, 0, 1, 1], [0, 1, 0, 0, 1]
    one, other = paired_difference(first, second), paired_difference(second, first)
    assert one["difference"] == -other["difference"] == 0.4
    np.testing.assert_allclose(one["ci"], [-other["ci"][1], -other["ci"][0]])


def test_paired_difference_of_nothing_and_of_unequal() -> None:
    assert paired_difference([], []) == {"difference": None, "ci": None}
    with pytest.raises(DataError, match="not paired"):
        paired_difference([1], [1, 0])
    with pytest.raises(DataError, match="not finite"):
        paired_difference([np.nan], [1])
