"""How many images to label, by simulation and against a direct search."""

import numpy as np
import pytest
from scipy.optimize import minimize

from adapt.errors import DataError
from adapt.evaluation.unlabelled.labelling import (
    allocate,
    sample_size,
    strata_of,
    stratified_accuracy,
)

pytestmark = pytest.mark.numerical


def test_so_many_images_give_the_width() -> None:
    count = sample_size(0.8, 0.04, images=3000)
    variance = 0.8 * 0.2 / count * (1 - count / 3000)
    assert 1.96 * np.sqrt(variance) == pytest.approx(0.04, rel=0.01)
    assert sample_size(0.9, 0.01, images=50) == 50


def test_strata_are_of_equal_size_and_in_order() -> None:
    confidences = np.random.default_rng(0).random(103)
    groups = strata_of(confidences, 5)
    assert set(np.bincount(groups)) == {20, 21}
    tops = [confidences[groups == group].max() for group in range(5)]
    lows = [confidences[groups == group].min() for group in range(5)]
    assert all(top <= low for top, low in zip(tops[:-1], lows[1:], strict=True))
    assert strata_of([0.3, 0.3], 5).tolist() == [0, 1]


def test_the_allocation_is_the_best_there_is() -> None:
    sizes, expected = np.array([4000, 3000, 3000]), np.array([0.5, 0.8, 0.95])
    counts = allocate(sizes, expected, 0.03)
    shares, spreads = sizes / sizes.sum(), expected * (1 - expected)

    def variance(numbers: np.ndarray) -> float:
        return float((shares**2 * spreads / numbers * (1 - numbers / sizes)).sum())

    total = counts.sum()
    assert 1.96 * np.sqrt(variance(counts)) == pytest.approx(0.03, rel=0.01)
    best = minimize(
        lambda two: variance(np.array([*two, total - sum(two)])), [total / 3, total / 3],
        method="Nelder-Mead",
    )  # fmt: skip
    np.testing.assert_allclose(counts[:2], best.x, rtol=0.02)


def test_its_interval_covers() -> None:
    generator, hits, widths = np.random.default_rng(5), 0, []
    sizes, truth = np.array([300, 300, 400]), np.array([0.55, 0.8, 0.97])
    right = [generator.random(n) < p for n, p in zip(sizes, truth, strict=True)]
    accuracy = np.concatenate(right).mean()
    counts = allocate(sizes, truth, 0.06)
    for _ in range(300):
        drawn = [generator.permutation(own)[:n] for own, n in zip(right, counts, strict=True)]
        groups = np.repeat(np.arange(3), counts)
        _, ends = stratified_accuracy(np.concatenate(drawn), groups, sizes)
        hits += ends[0] <= accuracy <= ends[1]
        widths.append(ends[1] - ends[0])
    assert hits >= 276
    assert np.mean(widths) / 2 < 0.068


def test_all_labelled_is_certain() -> None:
    assert stratified_accuracy([1, 0], [0, 1], [1, 1]) == (0.5, [0.5, 0.5])


def test_refused() -> None:
    with pytest.raises(DataError, match="half_width - out of range"):
        sample_size(0.5, 0.5, 10)
    with pytest.raises(DataError, match="accuracy - out of range"):
        sample_size(1.5, 0.1, 10)
    with pytest.raises(DataError, match="accuracies - not one per stratum"):
        allocate([1, 2], [0.5], 0.1)
    with pytest.raises(DataError, match="a stratum has no labelled image"):
        stratified_accuracy([1], [0], [3, 3])
    with pytest.raises(DataError, match="confidences - not finite"):
        strata_of([])
    with pytest.raises(DataError, match="sizes - not the images"):
        allocate([0], [0.5], 0.1)
