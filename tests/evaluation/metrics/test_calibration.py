"""Calibration error against a loop; planted temperatures come back, and none is better."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from torchmetrics.functional.classification import multiclass_calibration_error

from adapt.errors import DataError
from adapt.evaluation.metrics.calibration import (
    bin_of,
    calibration_by_chance,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from tests.helpers.probabilities import make


def loss(logits: np.ndarray, targets: np.ndarray, temperature: float) -> float:
    return -log_softmax(logits / temperature, axis=1)[np.arange(len(targets)), targets].mean()


def planted(
    temperature: float, images: int = 20_000, classes: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose honest probabilities are softmax(logits / temperature)."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(size=(images, classes)) * 2
    cumulative = softmax(honest, axis=1).cumsum(axis=1)
    targets = (generator.random((images, 1)) > cumulative[:, :-1]).sum(axis=1)
    return honest * temperature, targets


@pytest.mark.parametrize("temperature", [0.2, 0.7, 1.0, 2.5, 10.0])
def test_planted_temperature_comes_back(temperature: float) -> None:
    logits, targets = planted(temperature)
    assert fit_temperature(logits, targets) == pytest.approx(temperature, rel=0.03)


def test_overconfident_is_above_one_and_fitting_lowers_the_calibration_error() -> None:
    logits, targets = planted(3.0)
    temperature = fit_temperature(logits, targets)
    assert temperature > 2.5
    before = expected_calibration_error(logits, targets)
    after = expected_calibration_error(logits / temperature, targets)
    assert before > 0.1
    assert after < 0.015


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 10_000), st.floats(0.05, 30))
def test_no_temperature_is_better(images: int, classes: int, seed: int, spread: float) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(images, classes)) * spread
    targets = generator.integers(0, classes, images)
    fitted = fit_temperature(logits, targets)
    assert 0.05 <= fitted <= 10_000
    grid = np.geomspace(0.05, 10_000, 800)
    best = min(loss(logits, targets, temperature) for temperature in grid)
    assert loss(logits, targets, fitted) <= best + 1e-9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 2))
def test_scaled_logits_scale_the_temperature(seed: int, factor: float) -> None:
    logits, targets = planted(1.0, images=300, seed=seed)
    fitted = fit_temperature(logits, targets)
    assert fit_temperature(logits * factor, targets) == pytest.approx(fitted * factor, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_order_and_shift_of_logits_do_not_matter(seed: int) -> None:
    logits, targets = planted(2.0, images=200, seed=seed)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(logits))
    moved = logits[order] + generator.normal(size=(len(logits), 1)) * 100
    fitted = fit_temperature(logits, targets)
    assert fit_temperature(moved, targets[order]) == pytest.approx(fitted, rel=1e-3)


def test_ends_of_the_range() -> None:
    certain = np.eye(3) * 5
    assert fit_temperature(certain, [0, 1, 2]) == 0.05
    assert fit_temperature(certain, [1, 2, 0]) == 10_000.0


@pytest.mark.parametrize("logits", [np.zeros((4, 3)), np.full((4, 3), 7.0), np.ones((4, 1))])
def test_temperature_that_changes_nothing_is_one(logits: npt.ArrayLike) -> None:
    assert fit_temperature(logits, [0, 0, 0, 0]) == 1.0


def test_huge_logits_do_not_overflow() -> None:
    logits = np.array([[1e4, 0.0], [0.0, 1e4], [1e4, 0.0]])
    # Two of three are right: the best, 1e4 / log(2), is beyond the range.
    assert fit_temperature(logits, [0, 1, 1]) == 10_000.0


@pytest.mark.parametrize(
    ("logits", "targets"),
    [
        (np.zeros((0, 3)), []),
        (np.zeros(3), [0, 0, 0]),
        ([[np.nan, 0.0]], [0]),
        ([[np.inf, 0.0]], [0]),
        ([[0.0, 1.0]], [2]),
        ([[0.0, 1.0]], [0.5]),
    ],
)
def test_wrong_input_is_refused(logits: npt.ArrayLike, targets: npt.ArrayLike) -> None:
    with pytest.raises(DataError):
        fit_temperature(logits, targets)


def test_bins_are_closed_above() -> None:
    edges = np.linspace(0, 1, 16)
    assert bin_of(edges[1:], 15).tolist() == list(range(15))
    assert bin_of(edges[:-1] + 1e-9, 15).tolist() == list(range(15))


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
    mine = expected_calibration_error(np.log(probabilities), targets)
    assert mine == pytest.approx(slow_ece(probabilities, targets), abs=1e-12)
    theirs = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(targets), num_classes=4, n_bins=15
    )
    assert mine == pytest.approx(float(theirs), abs=1e-6)


def test_certain_images_share_the_last_bin() -> None:
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.98, 0.02], [0.98, 0.02]])
    logits = [[800.0, 0.0], [800.0, 0.0], [np.log(49), 0.0], [np.log(49), 0.0]]
    targets = [1, 1, 0, 0]  # gaps of opposite sign cancel only inside one bin
    bins = reliability_bins(probabilities, targets)
    assert [row["n"] for row in bins] == [0] * 14 + [4]
    assert bins[0]["confidence"] is None
    assert expected_calibration_error(logits, targets) == pytest.approx(0.49)


def test_ece_of_calibrated_and_of_overconfident() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 40_000)
    targets = (generator.random(40_000) > confidence).astype(int)
    calibrated = np.stack([confidence, 1 - confidence], axis=1)
    assert expected_calibration_error(np.log(calibrated), targets) < 0.01
    certain = np.tile([0.999, 0.001], (40_000, 1))
    assert expected_calibration_error(np.log(certain), targets) == pytest.approx(0.249, abs=0.01)


def test_chance_against_a_slow_draw_and_its_promise() -> None:
    """An honest model is above `most` in one of twenty sets, whatever their size."""
    for images in (20, 300):
        above, means = 0, []
        for seed in range(120):
            logits, targets = planted(1.0, images, seed=seed)
            chance = calibration_by_chance(logits, samples=200, seed=seed)
            error = expected_calibration_error(logits, targets)
            above += error > chance["most"]
            means.append((error, chance["mean"]))
        assert above <= 13, "P(more than 13 of 120 at 5 %) is 0.2 %"
        errors, expected = np.array(means).T
        assert errors.mean() == pytest.approx(expected.mean(), rel=0.1)
    probabilities = softmax(logits, axis=1)
    generator, slow = np.random.default_rng(0), []
    for _ in range(300):
        right = generator.random(images) < probabilities.max(axis=1)
        answers = np.where(right, probabilities.argmax(axis=1), probabilities.argmin(axis=1))
        slow.append(slow_ece(probabilities, answers))
    found = calibration_by_chance(logits)
    assert found["mean"] == pytest.approx(np.mean(slow), rel=0.06)
    assert found["most"] == pytest.approx(np.quantile(slow, 0.95), rel=0.1)
