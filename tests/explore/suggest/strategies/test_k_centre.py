"""Greedy k-centre, against a slow direct version and against the best radius."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from adapt.explore.suggest.strategies.base import choose
from adapt.explore.suggest.strategies.k_centre import nearest_cosines
from tests.helpers.pools import random_pool


@pytest.mark.parametrize("labelled", [0, 1, 5])
def test_each_is_the_farthest_from_all_before(labelled: int) -> None:
    pool = random_pool(25, labelled)
    centres = list(pool.labelled)
    for pick in choose(pool, 8, "k_centre"):
        if centres:
            distances = [min(np.linalg.norm(own - c) for c in centres) for own in pool.features]
            assert distances[pick.row] == pytest.approx(max(distances), abs=1e-5)
        else:
            nearest = np.linalg.norm(pool.features - pool.features.mean(0), axis=1).argmin()
            assert pick.row == nearest
        centres.append(pool.features[pick.row])


def radius(features: np.ndarray, centres: list[int]) -> float:
    distances = np.linalg.norm(features[:, None] - features[centres], axis=2)
    return float(distances.min(1).max())


@pytest.mark.parametrize("seed", range(4))
def test_the_radius_is_at_most_twice_the_smallest(seed: int) -> None:
    """The guarantee of the greedy choice, against brute force over all sets of centres."""
    pool = random_pool(14, 0, seed=seed)
    rows = [pick.row for pick in choose(pool, 3, "k_centre")]
    best = min(radius(pool.features, list(own)) for own in combinations(range(14), 3))
    assert radius(pool.features, rows) <= 2 * best + 1e-6


def test_cosines_in_blocks_are_those_of_one_product() -> None:
    pool = random_pool(23, 11)
    wanted = (pool.features @ pool.labelled.T).max(1)
    for rows in (1, 4, 100):
        np.testing.assert_allclose(
            nearest_cosines(pool.features, pool.labelled, rows), wanted, rtol=1e-5
        )


def test_a_copy_of_a_labelled_image_comes_last() -> None:
    pool = random_pool(9, 1)
    pool = replace(pool, labelled=pool.features[4:5])
    assert choose(pool, 9, "k_centre")[-1].row == 4
