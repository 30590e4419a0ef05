"""Typicality against the neighbours of scikit-learn, and which clusters come first."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from adapt.explore.suggest.strategies import typicality
from adapt.explore.suggest.strategies.base import choose
from adapt.explore.suggest.strategies.typicality import clusters, typical
from tests.helpers.pools import random_pool


@pytest.mark.parametrize("count", [2, 3, 41, 60])
def test_typicality_is_that_of_the_neighbours(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typicality, "ROWS", 16)
    features = random_pool(count).features
    kept = max(1, min(20, count // 2))
    distances, _ = NearestNeighbors(n_neighbors=kept + 1).fit(features).kneighbors(features)
    np.testing.assert_allclose(typical(features), 1 / distances[:, 1:].mean(1), rtol=1e-4)


def test_clusters_without_a_label_come_first_and_large_ones_before() -> None:
    random = np.random.default_rng(0)
    centres = 10 * np.eye(4)
    sizes = [30, 20, 10]
    rows = np.repeat(np.arange(3), sizes)
    features = (centres[rows] + 0.1 * random.normal(size=(60, 4))).astype(np.float32)
    pool = replace(
        random_pool(60, 1),
        features=features,
        labelled=(centres[:1] + 0.1).astype(np.float32),
        targets=np.array([0]),
    )
    picks = choose(pool, 2, "typicality")
    assert [int(rows[pick.row]) for pick in picks] == [1, 2]
    assert picks[0].why == "typical of 20 similar images"
    own = np.flatnonzero(rows == 1)
    assert picks[0].row == own[typical(features[own]).argmax()]


def test_more_clusters_than_images() -> None:
    assert clusters(np.zeros((3, 2), np.float32), 5, 0).tolist() == [0, 1, 2]
