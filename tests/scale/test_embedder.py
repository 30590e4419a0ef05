"""Batches in, batches out."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from adapt.errors import BundleError, DataError, RecipeError
from adapt.export.load import load
from adapt.predictions import opening
from adapt.scale import embedder
from adapt.scale.embedder import BatchPredictor, Embedder


def batch(photos: Path, *numbers: int) -> dict[str, np.ndarray]:
    return {"path": np.array([str(photos / f"{number:02d}.png") for number in numbers], object)}


def test_features_are_those_of_the_model(model: Path, photos: Path) -> None:
    given = Embedder(str(model), "cpu", threads=2)(batch(photos, 2, 3, 4))
    paths = [str(path) for path in given["path"]]
    answers = list(load(model).predictor.stream(paths, 3, features=True))
    assert given["features"].dtype == np.float32
    for row, answer in zip(given["features"], answers, strict=True):
        if answer.features is None:
            assert np.isnan(row).all()
        else:
            assert np.array_equal(row, answer.features.numpy())
    assert given["error"].tolist() == [answer.error for answer in answers]
    assert given["reason"].tolist() == [None, "not an image", None]


def test_bytes_are_as_good_as_paths(model: Path, photos: Path) -> None:
    embed = Embedder(str(model), "cpu")
    paths = batch(photos, 2, 4)
    contents = np.array([Path(paths["path"][0]).read_bytes(), None], object)
    given = embed({**paths, "bytes": contents})
    assert np.array_equal(given["features"], embed(paths)["features"])
    with pytest.raises(RecipeError, match="neither bytes nor None - str"):
        embed({**paths, "bytes": np.array(["x", "y"], object)})
    with pytest.raises(RecipeError, match="no column 'path' - given"):
        embed({"name": paths["path"]})


def test_labels(model: Path, photos: Path) -> None:
    given = BatchPredictor(str(model), "cpu")(batch(photos, 2, 3))
    answer = load(model).predict(str(photos / "02.png"))[0]
    assert given["label"].tolist() == [answer.label, None]
    assert given["confidence"][0] == answer.confidence
    assert np.isnan(given["confidence"][1])
    assert given["abstained"].tolist() == given["unknown"].tolist() == [False, False]


def test_one_process_opens_a_model_once(
    model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder._opened.cache_clear()
    opened = []

    def count(*given: object) -> opening.OpenModel:
        opened.append(given)
        return opening.open_model(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(embedder, "open_model", count)
    for _ in range(2):
        Embedder(str(model), "cpu")(batch(photos, 2))
        BatchPredictor(str(model), "cpu")(batch(photos, 2))
    assert len(opened) == 1


def test_what_travels_is_a_name(model: Path) -> None:
    sent = pickle.dumps(Embedder(str(model), "cpu"))
    assert len(sent) < 1000
    assert pickle.loads(sent) == Embedder(str(model), "cpu")


def test_another_model_at_the_same_path(model: Path, photos: Path) -> None:
    with pytest.raises(BundleError, match="another model than the one that was asked for"):
        Embedder(str(model), "cpu", hash="0" * 64)(batch(photos, 2))
    with pytest.raises(DataError, match="cannot be read"):
        Embedder("no model")
