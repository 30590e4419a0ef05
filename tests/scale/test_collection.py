"""Sets that are finished, opened for use."""

from pathlib import Path

import numpy as np
import pytest

from adapt.errors import DataError
from adapt.models.classifier import Classifier
from adapt.scale.collection import EmbeddingSet
from tests.helpers.embedding import BAD, COUNT, embedded, rows_of


def test_batches_hold_what_could_be_read(model: Path, photos: Path, tmp_path: Path) -> None:
    embedded(model, photos, tmp_path / "out")
    batches = list(EmbeddingSet.open(tmp_path / "out").batches(4))
    names = [name for paths, _ in batches for name in paths]
    features = np.concatenate([values for _, values in batches])
    expected = [row for row in rows_of(tmp_path / "out") if row["features"] is not None]
    assert names == [row["path"] for row in expected]
    assert len(names) == COUNT - len(BAD)
    assert features.dtype == np.float32
    assert np.array_equal(features, np.float32([row["features"] for row in expected]))


def test_models_are_not_mixed(model: Path, photos: Path, tmp_path: Path) -> None:
    other = Classifier.from_clip("adapt-icons-xs", "embedded", ["cat"]).save(tmp_path / "other")
    embedded(model, photos, tmp_path / "a")
    embedded(other, photos, tmp_path / "b")
    embedded(model, photos, tmp_path / "c", batch_size=3)
    with pytest.raises(DataError, match="cannot be mixed - model is"):
        EmbeddingSet.open(tmp_path / "a", tmp_path / "b")
    assert len(EmbeddingSet.open(tmp_path / "a", tmp_path / "c").parts) == 8


def test_a_set_that_is_not_finished(model: Path, photos: Path, tmp_path: Path) -> None:
    embedded(model, photos, tmp_path / "out")
    (tmp_path / "out" / "_stats.json").unlink()
    with pytest.raises(DataError, match=r"there is no _stats.json"):
        EmbeddingSet.open(tmp_path / "out")
