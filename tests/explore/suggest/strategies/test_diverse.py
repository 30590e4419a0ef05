"""Weighted clusters of undecided images."""

from dataclasses import replace

import numpy as np

from adapt.explore.suggest.strategies.base import choose
from tests.helpers.pools import random_pool


def test_only_the_most_undecided_are_looked_at() -> None:
    pool = random_pool(60)
    shortlist = set(np.argsort(pool.margins)[:20].tolist())
    rows = [pick.row for pick in choose(pool, 2, "diverse")]
    assert set(rows) <= shortlist
    assert pool.margins[rows].tolist() == sorted(pool.margins[rows].tolist())


def test_one_of_each_group_the_nearest_to_its_weighted_mean() -> None:
    random = np.random.default_rng(0)
    group = np.repeat([0, 1], 10)
    features = (5 * np.eye(4)[group] + 0.1 * random.normal(size=(20, 4))).astype(np.float32)
    best = random.uniform(0.3, 0.5, size=20)
    answers = np.stack([best, best / 2, (1 - 1.5 * best) / 2, (1 - 1.5 * best) / 2], axis=1)
    pool = replace(
        random_pool(20, 0),
        features=features,
        probabilities=answers,
        labelled=np.zeros((0, 4), np.float32),
    )
    picks = sorted(pick.row for pick in choose(pool, 2, "diverse"))
    for number, row in enumerate(picks):
        own = np.flatnonzero(group == number)
        centre = np.average(features[own], axis=0, weights=1 - pool.margins[own])
        assert row == own[((features[own] - centre) ** 2).sum(1).argmin()]
