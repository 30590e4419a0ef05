"""faiss: the same answers on a sample, and a clear error without it."""

from pathlib import Path

import numpy as np
import pytest

from adapt.errors import MissingExtraError
from adapt.explore.search import approximate
from adapt.explore.search.approximate import FILE, Approximate, library, recall
from adapt.explore.search.exact import nearest
from adapt.explore.search.index import Index
from adapt.explore.search.vectors import Vectors


def clustered(rows: int, width: int, seed: int) -> np.ndarray:
    """As features of images: around some centres, with a common part."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((50, width))
    values = centres[generator.integers(0, 50, rows)] + generator.standard_normal((rows, width))
    values += 2
    made: np.ndarray = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return made


def test_without_faiss_the_error_names_the_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(approximate, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'adapt-clip\[faiss\]'.*exact"):
        Index.open(folder, method="faiss")


def test_recall_counts_shared_rows() -> None:
    assert (
        recall(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), np.array([[4, 3, 2, 1], [5, 0, 1, 2]]))
        == 5 / 8
    )


def test_answers_are_those_of_exact_search(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    features = clustered(20_000, 32, 0)
    vectors = Vectors(features, None, tmp_path)
    made = Approximate.of(vectors)
    queries = clustered(200, 32, 0)[:200] + clustered(200, 32, 5)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    best, expected = made.nearest(queries, 10), nearest(features, queries, 10)
    assert recall(best.rows, expected.rows) >= 0.99
    assert made.index.nprobe < made.index.nlist
    same = best.rows == expected.rows
    assert np.array_equal(best.scores[same], expected.scores[same])
    changed = (tmp_path / FILE).stat().st_mtime_ns
    again = Approximate.of(vectors)
    assert (tmp_path / FILE).stat().st_mtime_ns >= changed
    assert np.array_equal(again.nearest(queries, 10).rows, best.rows)
    every = made.nearest(queries[:1], 20_000)
    assert sorted(every.rows[0].tolist()) == list(range(20_000))
    assert library().__name__ == "faiss"
