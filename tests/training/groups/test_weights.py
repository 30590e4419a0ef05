"""Weights of groups against numpy, written down once more."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapt.training.groups.weights import followed, group_means, margins_of


@given(st.integers(0, 10_000))
def test_against_numpy(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, images = int(random.integers(1, 6)), int(random.integers(1, 20))
    values, groups = random.exponential(size=images), random.integers(0, count, images)
    means, counts = group_means(torch.from_numpy(values), torch.from_numpy(groups), count)
    slow = [values[groups == g].mean() if (groups == g).any() else 0.0 for g in range(count)]
    assert means.numpy() == pytest.approx(slow)
    assert counts.tolist() == np.bincount(groups, minlength=count).tolist()
    weights = random.dirichlet(np.ones(count))
    margins = random.uniform(0, 2, count)
    after = followed(torch.from_numpy(weights), means, 0.3, torch.from_numpy(margins))
    expected = weights * np.exp(0.3 * (np.array(slow) + margins))
    assert after.numpy() == pytest.approx(expected / expected.sum())


def test_equal_losses_move_nothing_and_the_largest_wins_in_the_end() -> None:
    weights = torch.tensor([0.2, 0.8])
    assert followed(weights, torch.ones(2), 1.0, torch.zeros(2)).tolist() == pytest.approx(
        [0.2, 0.8]
    )
    for _ in range(500):
        weights = followed(weights, torch.tensor([1.0, 0.9]), 0.5, torch.zeros(2))
    assert weights.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_small_groups_get_a_larger_margin() -> None:
    assert margins_of(torch.tensor([1, 100]), 3.0).tolist() == pytest.approx([3.0, 0.3])
