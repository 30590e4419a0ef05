"""The bootstrap against resampling image by image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.errors import AdaptError, DataError
from adapt.evaluation.metrics.bootstrap import (
    paired_difference,
    percentile_interval,
    resampling_counts,
    resampling_indices,
)


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
