"""One memory map of all parts, keyed by content, whole or absent."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from adapt.errors import DataError, RunError
from adapt.explore.search.vectors import FEATURES, PATHS, mapped
from adapt.scale.collection import EmbeddingSet
from tests.helpers.embedding import embedded, rows_of


def test_the_map_holds_every_image_that_could_be_read(folder: Path) -> None:
    vectors = mapped(EmbeddingSet.open(folder))
    expected = [row for row in rows_of(folder) if row["features"] is not None]
    assert len(vectors) == len(expected) == 18
    assert np.array_equal(vectors.features, np.float32([row["features"] for row in expected]))
    assert vectors.paths([17, 0]) == [expected[17]["path"], expected[0]["path"]]


def test_copies_share_a_map_and_others_have_their_own(folder: Path, tmp_path: Path) -> None:
    vectors = mapped(EmbeddingSet.open(folder))
    made = (vectors.folder / FEATURES).stat().st_ino
    copied = mapped(EmbeddingSet.open(shutil.copytree(folder, tmp_path / "copy")))
    assert copied.folder == vectors.folder
    assert (vectors.folder / FEATURES).stat().st_ino == made
    twice = mapped(EmbeddingSet.open(folder, tmp_path / "copy"))
    assert twice.folder != vectors.folder
    assert len(twice) == 36
    assert np.array_equal(twice.features, np.concatenate([vectors.features, vectors.features]))


def test_a_half_of_a_map_is_made_again(folder: Path) -> None:
    before = np.array(mapped(EmbeddingSet.open(folder)).features)
    (mapped(EmbeddingSet.open(folder)).folder / PATHS).unlink()
    again = mapped(EmbeddingSet.open(folder))
    assert np.array_equal(again.features, before)
    assert len(again.paths(range(18))) == 18


def test_a_map_that_cannot_be_finished_is_absent(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    embeddings = EmbeddingSet.open(folder)
    monkeypatch.setattr(EmbeddingSet, "batches", lambda _: iter([(["a"], np.eye(1, 4))]))
    with pytest.raises(RunError, match="rows are missing - 1 of 18"):
        mapped(embeddings)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_altered_parts_and_sets_without_features_are_refused(
    folder: Path, model: Path, photos: Path, tmp_path: Path
) -> None:
    part = shutil.copytree(folder, tmp_path / "copy") / "part-000001.parquet"
    part.write_bytes(part.read_bytes() + b"x")
    with pytest.raises((RunError, DataError), match="part-000001"):
        mapped(EmbeddingSet.open(tmp_path / "copy"))
    shutil.copytree(folder, tmp_path / "less")
    (tmp_path / "less" / "part-000001_stats.json").unlink()
    with pytest.raises(RunError, match=r"part-000001.parquet - not finished"):
        mapped(EmbeddingSet.open(tmp_path / "less"))
    embedded(model, photos / "broken.png", tmp_path / "none")
    with pytest.raises(DataError, match="nothing to search in"):
        mapped(EmbeddingSet.open(tmp_path / "none"))
