"""Exact search is what sorting all products would give."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from sklearn.neighbors import NearestNeighbors

from adapt.explore.search import exact
from adapt.explore.search.exact import nearest, ordered


def unit(rows: int, width: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    made: np.ndarray = values / np.linalg.norm(values, axis=1, keepdims=True)
    return made


def brute_force(features: np.ndarray, queries: np.ndarray, top: int) -> list[list[int]]:
    """Every product in float64, sorted; equal ones by row."""
    products = features.astype(np.float64) @ queries.T.astype(np.float64)
    rows = np.arange(len(features))
    return [np.lexsort((rows, -own))[:top].tolist() for own in products.T]


def test_equal_to_brute_force_on_100_000() -> None:
    features, queries = unit(100_000, 64, 0), unit(5, 64, 1)
    best = nearest(features, queries, 10)
    assert best.rows.tolist() == brute_force(features, queries, 10)
    products = np.einsum("qkd,qd->qk", features[best.rows].astype(np.float64), queries)
    np.testing.assert_allclose(best.scores, products, atol=1e-12)
    other = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(features)
    assert np.array_equal(best.rows, other.kneighbors(queries, return_distance=False))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**20), st.integers(1, 60))
def test_equal_to_brute_force_with_ties(rows: int, width: int, seed: int, top: int) -> None:
    """Features with few values have equal products; blocks end anywhere."""
    generator = np.random.default_rng(seed)
    features = generator.integers(-1, 2, (rows, width)).astype(np.float32)
    queries = generator.integers(-1, 2, (3, width)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "BLOCK", 7)
        best = nearest(features, queries, top)
    assert best.rows.tolist() == brute_force(features, queries, top)


def test_near_equal_products_are_told_apart_in_float64() -> None:
    """Rounding in float32 hides differences that the stored numbers have."""
    generator = np.random.default_rng(3)
    features = np.repeat(unit(1, 256, 2), 500, axis=0)
    features += generator.uniform(-1e-8, 1e-8, features.shape).astype(np.float32)
    query = unit(1, 256, 2)
    assert nearest(features, query, 20).rows.tolist() == brute_force(features, query, 20)


def test_some_rows_in_order() -> None:
    rows, products = ordered(np.eye(3, dtype=np.float32), np.float32([1, 1, 0]), np.arange(3), 2)
    assert (rows.tolist(), products.tolist()) == ([0, 1], [1.0, 1.0])
