"""One row per input, in order, whatever the others are; and the table on disk."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from adapt.cli.predict import predict_to_csv
from adapt.errors import DataError, RecipeError
from adapt.models.classifier import Classifier
from adapt.models.prediction.stream import ImageLike, Prediction
from tests.helpers.tiny import drawing, tiny_classifier


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return tiny_classifier().with_temperature(0.5)


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    random = np.random.default_rng(3)
    return [drawing(label, random) for label in ["red_circle", "blue_square", "green_cross"] * 2]


def values(prediction: Prediction) -> tuple[str | None, float, list[tuple[str, float]]]:
    return prediction.label, prediction.confidence, prediction.top


@pytest.mark.numerical
def test_against_a_direct_computation(classifier: Classifier, images: list[Image.Image]) -> None:
    (found,) = classifier.predict([images[0]], top=2)
    with torch.no_grad():
        pixels = classifier.backbone.preprocessing(images[0])[None]
        logits = classifier(pixels)[0].double().numpy()
    expected = np.exp(logits / 0.5) / np.exp(logits / 0.5).sum()
    order = np.argsort(-expected)
    assert found.label == classifier.class_names[order[0]]
    assert [name for name, _ in found.top] == [classifier.class_names[i] for i in order[:2]]
    np.testing.assert_allclose([p for _, p in found.top], expected[order[:2]], atol=1e-6)
    assert found.confidence == found.top[0][1]
    assert (found.source, found.error) == ("image 0", None)
    assert len(classifier.predict([images[0]], top=99)[0].top) == 3


@pytest.mark.numerical
def test_paths_images_and_arrays_agree(
    classifier: Classifier, images: list[Image.Image], tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    images[0].save(path)
    alpha = images[0].convert("RGBA")
    kinds: list[ImageLike] = [path, str(path), images[0], np.asarray(images[0]), alpha]
    found = classifier.predict(kinds)
    assert all(values(prediction) == values(found[0]) for prediction in found)
    sources = [prediction.source for prediction in found]
    assert sources == [str(path), str(path), "image 2", "image 3", "image 4"]


@pytest.fixture
def mixed(images: list[Image.Image], tmp_path: Path) -> tuple[list[ImageLike], list[int]]:
    """Good and bad inputs, and where the bad ones stand."""
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    images[1].save(tmp_path / "whole.png")
    half = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(half[: len(half) // 2])
    inputs: list[ImageLike] = [
        tmp_path / "text.png",
        images[0],
        tmp_path / "empty.jpg",
        np.zeros((4, 4, 7), np.uint8),
        images[1],
        tmp_path / "half.png",
        tmp_path / "nothing.png",
        tmp_path,
        images[2],
        np.zeros((0, 4), np.uint8),
    ]
    return inputs, [0, 2, 3, 5, 6, 7, 9]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_bad_inputs_disturb_no_others(
    batch_size: int,
    classifier: Classifier,
    images: list[Image.Image],
    mixed: tuple[list[ImageLike], list[int]],
) -> None:
    inputs, bad = mixed
    found = classifier.predict(inputs, batch_size)
    assert [number for number, p in enumerate(found) if p.error is not None] == bad
    for number in bad:
        assert values(found[number]) == (None, 0.0, [])
        source = inputs[number]
        if isinstance(source, Path):
            assert found[number].source == str(source)
            assert str(source) in (found[number].error or "")
    for number, image in zip((1, 4, 8), images, strict=False):
        (alone,) = classifier.predict([image])
        assert found[number].label == alone.label
        assert found[number].confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_order_and_batch_size(classifier: Classifier, images: list[Image.Image]) -> None:
    whole = classifier.predict(images)
    for batch_size in (1, 4, 5):
        found = classifier.predict(images, batch_size)
        assert [p.source for p in found] == [f"image {n}" for n in range(6)]
        assert [p.label for p in found] == [p.label for p in whole]
        for one, other in zip(found, whole, strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
    turned = classifier.predict(images[::-1])
    assert [p.label for p in turned] == [p.label for p in whole][::-1]
    assert len({p.confidence for p in whole}) == 6, "images must be told apart"


def test_it_is_lazy(classifier: Classifier, images: list[Image.Image]) -> None:
    taken = []

    def endless() -> object:
        while True:
            taken.append(1)
            yield images[0]

    stream = classifier.predict_iter(endless(), batch_size=2)  # type: ignore[arg-type]
    for _ in range(3):
        next(stream)
    assert len(taken) == 4


@pytest.mark.parametrize(("batch_size", "top"), [(0, 5), (-1, 5), (1, 0)])
def test_sizes_out_of_range(
    batch_size: int, top: int, classifier: Classifier, images: list[Image.Image]
) -> None:
    with pytest.raises(RecipeError, match="give 1 or more"):
        classifier.predict(images, batch_size, top)


def test_no_inputs(classifier: Classifier) -> None:
    assert classifier.predict([]) == []


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_table_of_a_folder(
    classifier: Classifier, images: list[Image.Image], tmp_path: Path
) -> None:
    root = tmp_path / "in"
    (root / "sub").mkdir(parents=True)
    images[0].save(root / "b.png")
    images[1].save(root / "a.JPG")
    images[2].save(root / "sub" / "c.webp", lossless=True)
    images[2].save(root / ".hidden.png")
    (root / "notes.txt").write_text("no image")
    (root / "bad.png").write_text("no image")
    done = predict_to_csv(classifier, root, tmp_path / "out" / "table.csv", batch_size=2)
    assert (done.path, done.images, done.errors) == (tmp_path / "out" / "table.csv", 4, 1)
    found = rows(done.path)
    assert list(found[0]) == ["path", "label", "confidence", "top5", "error"]
    names = ["a.JPG", "b.png", "bad.png", str(Path("sub", "c.webp"))]
    assert [row["path"] for row in found] == [str(root / name) for name in names]
    for row in (found[0], found[1], found[3]):
        (expected,) = classifier.predict([row["path"]])
        assert row["label"] == expected.label
        assert float(row["confidence"]) == pytest.approx(expected.confidence, abs=1e-5)
        top = [pair.split("=") for pair in row["top5"].split("; ")]
        assert [name for name, _ in top] == [name for name, _ in expected.top]
        for (_, text), (_, value) in zip(top, expected.top, strict=True):
            assert float(text) == pytest.approx(value, abs=1e-4)
        assert row["error"] == ""
    assert found[2]["label"] == found[2]["confidence"] == found[2]["top5"] == ""
    assert "not an image" in found[2]["error"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["table.csv"]


def test_tables_in(classifier: Classifier, images: list[Image.Image], tmp_path: Path) -> None:
    for name in ("x", "y"):
        images[0].save(tmp_path / f"{name}.png")
    frame = pd.DataFrame({"label": ["?", "?", "?"], "path": ["y.png", "x.png", "gone.png"]})
    frame.to_csv(tmp_path / "list.csv", index=False, encoding="utf-8-sig")
    frame.to_parquet(tmp_path / "list.parquet")
    for name in ("list.csv", "list.parquet"):
        done = predict_to_csv(classifier, tmp_path / name, tmp_path / "out.csv")
        found = rows(done.path)
        assert [Path(row["path"]).name for row in found] == ["y.png", "x.png", "gone.png"]
        assert found[0]["label"] == classifier.predict([images[0]])[0].label
        assert (done.images, done.errors) == (3, 1)
    single = predict_to_csv(classifier, tmp_path / "x.png", tmp_path / "out.csv")
    assert single.images == 1


def test_no_cell_is_a_formula(images: list[Image.Image], tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "+1", "@a"]
    classifier = tiny_classifier(names=names)
    images[0].save(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text('path\n"a.png"\n"=1+1.png"\n')
    found = rows(predict_to_csv(classifier, tmp_path / "list.csv", tmp_path / "out.csv").path)
    assert found[0]["label"] in [f"'{name}" for name in names]
    assert found[0]["top5"].startswith("'")
    for row in found:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty", None, "no images - nothing to predict"),
        ("none.csv", "path\n", "no images - nothing to predict"),
        ("other.csv", "file\na.png\n", "no column 'path' - given ['file']"),
        ("gone", "", "not found - neither a folder, a table nor an image"),
        ("gone.csv", "", "not found - no such table"),
    ],
)
def test_nothing_to_predict(
    name: str, content: str | None, expected: str, classifier: Classifier, tmp_path: Path
) -> None:
    source, out = tmp_path / name, tmp_path / "out"
    if content is None:
        source.mkdir()
    elif content:
        source.write_text(content)
    with pytest.raises(DataError) as caught:
        predict_to_csv(classifier, source, out / "table.csv")
    assert expected in str(caught.value)
    assert caught.value.exit_code == 3
    assert not (out / "table.csv").exists(), "no half table under the asked name"
