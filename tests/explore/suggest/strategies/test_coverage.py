"""Greedy coverage, against brute force and a slow direct version."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from adapt.explore.suggest.strategies import coverage as module
from adapt.explore.suggest.strategies.base import UnlabelledPool, choose
from adapt.explore.suggest.strategies.coverage import bandwidth, coverage, covering
from tests.helpers.pools import random_pool


def covered(pool: UnlabelledPool, rows: list[int], weights: np.ndarray) -> float:
    """The weight that some images, and the labelled ones, cover."""
    x = pool.features.astype(np.float64)
    squares = ((x[:, None] - x[None]) ** 2).sum(2)
    width = bandwidth(squares.astype(np.float32))
    centres = np.concatenate([x[rows], pool.labelled.astype(np.float64)])
    distances = ((x[:, None] - centres[None]) ** 2).sum(2)
    return float((weights * np.exp(-distances.min(1) / width)).sum()) if len(centres) else 0.0


@pytest.mark.parametrize("labelled", [0, 3])
def test_each_adds_the_most_and_what_it_is_said_to_add(labelled: int) -> None:
    pool = random_pool(25, labelled)
    weights = np.random.default_rng(1).random(25)
    rows: list[int] = []
    for row, gain in covering(pool, 5, weights):
        before = covered(pool, rows, weights)
        every = [covered(pool, [*rows, other], weights) - before for other in range(25)]
        assert gain == pytest.approx(max(every), rel=1e-3)
        assert every[row] == pytest.approx(max(every), rel=1e-3)
        rows.append(row)


def test_at_least_63_percent_of_the_best_cover() -> None:
    """The guarantee of the greedy choice for such sums, against all sets of three."""
    pool, ones = random_pool(14, 0), np.ones(14)
    rows = [row for row, _ in covering(pool, 3, ones)]
    best = max(covered(pool, list(own), ones) for own in combinations(range(14), 3))
    assert covered(pool, rows, ones) >= 0.63 * best


def test_large_pools_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    pool = random_pool(40, 2)
    assert len({pick.row for pick in choose(pool, 12, "coverage")}) == 12
    few = {pick.row for pick in choose(pool, 8, "coverage")}
    reasons = [pick.why for pick in choose(pool, 12, "coverage")]
    assert any(" 1 image not yet covered " in reason for reason in reasons)
    assert not any(" 1 images " in reason for reason in reasons)
    assert few <= {*pool.generator().choice(40, 10, replace=False).tolist()}


def test_what_is_labelled_is_not_covered_again() -> None:
    pool = random_pool(30, 0)
    first = choose(pool, 1, "coverage")[0].row
    known = replace(pool, labelled=pool.features[[first]], targets=np.array([0]))
    assert choose(known, 30, "coverage")[0].row != first


def test_the_reason_counts_images_or_says_that_none_is_left() -> None:
    pool = random_pool(30, 0)
    counts = [gain for _, gain in covering(pool, 30, np.ones(30))]
    reasons = [pick.why for pick in coverage(pool, 30)]
    assert reasons[0].startswith(f"similar to about {counts[0]:.0f} images not yet covered")
    assert counts[-1] < 0.5
    assert reasons[-1].startswith("almost all images like it are covered")
