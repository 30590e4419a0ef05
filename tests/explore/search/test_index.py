"""`adapt.Index`: answers equal to brute force, and only with the model that made it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import adapt
from adapt.errors import BundleError, DataError, RecipeError
from adapt.explore.search import index as module
from adapt.explore.search.index import Index
from adapt.models.classifier import Classifier
from adapt.scale.collection import STATS
from tests.helpers.embedding import embedded, rows_of


def test_answers_are_sorted_products(index: Index, folder: Path) -> None:
    rows = [row for row in rows_of(folder) if row["features"] is not None]
    features = np.array([row["features"] for row in rows])
    direction = index.encoder.texts(["a clock"], ["{}"])[0]
    products = features @ direction
    order = np.argsort(-products)
    hits = index.search("a clock", top=5)
    assert [hit.path for hit in hits] == [rows[row]["path"] for row in order[:5]]
    assert [hit.row for hit in hits] == order[:5].tolist()
    np.testing.assert_allclose([hit.score for hit in hits], products[order[:5]], atol=1e-6)
    assert len(index.search("a clock", top=100)) == len(index) == 18


def test_an_image_is_most_similar_to_itself(index: Index, photos: Path) -> None:
    image = sorted((photos / "flower").iterdir())[2]
    for given in (image, str(image), image.read_bytes()):
        hit = index.search(image=given, top=1)[0]
        assert (hit.path, hit.score) == (str(image), pytest.approx(1, abs=1e-5))
    both = index.search("a clock", image=image, weights=adapt_weights(image=0.0), top=3)
    assert both == index.search("a clock", top=3)


def adapt_weights(image: float) -> module.QueryWeights:
    return module.QueryWeights(image=image)


def test_what_is_subtracted_falls_behind(index: Index, photos: Path) -> None:
    image = sorted((photos / "clock").iterdir())[0]
    before = [hit.path for hit in index.search(image=image, top=18)]
    after = [hit.path for hit in index.search(image=image, minus="a clock", top=18)]
    clocks = [path for path in before if Path(path).parent.name == "clock"]
    assert sum(after.index(path) for path in clocks) >= sum(before.index(path) for path in clocks)
    assert index.search(class_name=["heart"], top=1)


def test_captions_are_ranked_by_their_products(index: Index, photos: Path) -> None:
    image = sorted((photos / "heart").iterdir())[0]
    captions = ["a clock", "a flower", "a heart", "a heart"]
    ranked = index.rank_captions(image, captions)
    seen = index.encoder.images([image])[0]
    products = index.encoder.texts(captions, ["{}"]) @ seen
    assert [answer.row for answer in ranked] == np.argsort(-products, kind="stable").tolist()
    assert ranked[0].score == ranked[1].score
    assert len(index.rank_captions(image, captions, top=2)) == 2
    with pytest.raises(RecipeError, match="nothing to rank"):
        index.rank_captions(image, [])


def test_another_model_is_refused(folder: Path, model: Path, tmp_path: Path) -> None:
    other = Classifier.from_clip("adapt-icons-xs", "embedded", ["boat"]).save(tmp_path / "other")
    with pytest.raises(BundleError, match=r"made by another model - .* give --model"):
        Index.open(folder, model=other)
    with pytest.raises(BundleError, match=r"not a model - there is no classifier.json"):
        Index.open(folder, model=tmp_path)
    assert len(Index.open(folder, model=shutil.copytree(model, tmp_path / "moved"))) == 18


def test_the_model_may_have_moved(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / "index")
    stats = json.loads((place / STATS).read_text())
    (place / STATS).write_text(json.dumps({**stats, "model_path": str(tmp_path / "gone")}))
    with pytest.raises(RecipeError, match=r"the model is not there - none is in .*gone - give"):
        Index.open(place)
    del stats["model_path"]
    (place / STATS).write_text(json.dumps(stats))
    with pytest.raises(RecipeError, match="it does not say where its model is - give --model"):
        Index.open(place)
    (place / STATS).write_text("[]")
    with pytest.raises(DataError, match=r"_stats.json - cannot be read"):
        Index.open(place)


def test_wrong_words(index: Index, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--method - not known, did you mean 'exact'"):
        Index.open(folder, method="exakt")
    with pytest.raises(RecipeError, match="no folder"):
        Index.open()
    with pytest.raises(DataError, match="no embeddings"):
        Index.open(tmp_path)
    with pytest.raises(RecipeError, match="--top - out of range - 0"):
        index.search("a", top=0)


def test_more_than_a_million_images_take_faiss(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert index.method == "exact"
    monkeypatch.setattr(module, "MOST_EXACT", 17)
    monkeypatch.setattr(module, "library", lambda: None)
    assert Index.open(folder).method == "faiss"
    assert Index.open(folder, method="exact").method == "exact"


def test_sets_of_one_model_are_one_index(
    folder: Path, model: Path, photos: Path, tmp_path: Path
) -> None:
    embedded(model, photos / "heart", tmp_path / "more")
    assert len(adapt.Index.open(folder, tmp_path / "more")) == 24
