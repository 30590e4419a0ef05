"""The table of predictions on disk: one row per image, complete or absent."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from adapt.cli.predict import check_output, predict_to_table
from adapt.errors import DataError, RecipeError
from adapt.models.classifier import Classifier
from tests.helpers.tiny import drawing, tiny_classifier


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return tiny_classifier().with_temperature(0.5)


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    random = np.random.default_rng(3)
    return [drawing(label, random) for label in ["red_circle", "blue_square", "green_cross"]]


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
    done = predict_to_table(classifier, root, tmp_path / "out" / "table.csv", batch_size=2)
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
        done = predict_to_table(classifier, tmp_path / name, tmp_path / "out.csv", overwrite=True)
        found = rows(done.path)
        assert [Path(row["path"]).name for row in found] == ["y.png", "x.png", "gone.png"]
        assert found[0]["label"] == classifier.predict([images[0]])[0].label
        assert (done.images, done.errors) == (3, 1)
    single = predict_to_table(classifier, tmp_path / "x.png", tmp_path / "out.csv", overwrite=True)
    assert single.images == 1


def test_no_cell_is_a_formula(images: list[Image.Image], tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "+1", "@a"]
    classifier = tiny_classifier(names=names)
    images[0].save(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text('path\n"a.png"\n"=1+1.png"\n')
    found = rows(predict_to_table(classifier, tmp_path / "list.csv", tmp_path / "out.csv").path)
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
        predict_to_table(classifier, source, out / "table.csv")
    assert expected in str(caught.value)
    assert caught.value.exit_code == 3
    assert not (out / "table.csv").exists(), "no half table under the asked name"


def test_formats_hold_the_same(
    classifier: Classifier, images: list[Image.Image], tmp_path: Path
) -> None:
    root = tmp_path / "in"
    root.mkdir()
    images[0].save(root / "a.png")
    (root / "b.png").write_text("no image")
    for name in ("notes.txt", "more.txt", "Thumbs.db", "no_suffix"):
        (root / name).write_text("x")
    for suffix in (".csv", ".parquet", ".jsonl"):
        done = predict_to_table(classifier, root, tmp_path / f"out{suffix}")
        assert (done.images, done.errors) == (2, 1)
        assert done.skipped == {".txt": 2, "no suffix": 1}
    first = rows(tmp_path / "out.csv")
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    (expected,) = classifier.predict([images[0]])
    for row, line, cells in zip(first, lines, table, strict=True):
        assert list(row) == list(line) == list(cells)
        for name in ("path", "label", "top5", "error"):
            assert row[name] == (line[name] or "") == (cells[name] or "")
    assert lines[0]["confidence"] == table[0]["confidence"]
    assert table[0]["confidence"] == pytest.approx(expected.confidence)
    assert lines[1]["confidence"] is table[1]["confidence"] is None


def test_a_table_that_is_there_is_kept(
    classifier: Classifier, images: list[Image.Image], tmp_path: Path
) -> None:
    images[0].save(tmp_path / "a.png")
    target = tmp_path / "mine.csv"
    target.write_text("years of work")
    with pytest.raises(RecipeError, match=r"mine.csv - exists - .* --overwrite"):
        predict_to_table(classifier, tmp_path / "a.png", target)
    assert target.read_text() == "years of work"
    assert predict_to_table(classifier, tmp_path / "a.png", target, overwrite=True).images == 1
    assert target.read_text().startswith("path,label")


@pytest.mark.parametrize(("name", "expected"), [
    ("folder", "a folder - a file is written"),
    ("x.txt", "not a format of tables"),
    ("x", "not a format of tables"),
    ("x.parqet", "did you mean '.parquet'"),
])  # fmt: skip
def test_outputs_that_cannot_be(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecipeError) as caught:
        check_output(tmp_path / name)
    assert expected in str(caught.value)


@pytest.mark.parametrize(("name", "content", "expected"), [
    ("latin.csv", "path\nn\xe9.png\n".encode("latin-1"), "not UTF-8 text"),
    ("wide.csv", "path\na.png\n".encode("utf-16"), "not UTF-8 text"),
    ("ragged.csv", b"path,x\na.png,1\nb.png\n", "row 2 - wrong number of cells - 1 for 2"),
    ("shifted.csv", b"path\na.png,cat\n", "row 1 - wrong number of cells - 2 for 1"),
    ("quote.csv", b'path\n"a.png\n', "cannot be read as CSV"),
    ("gap.csv", b"path,x\n,1\n", "row 1 - no path"),
    ("junk.parquet", b"PAR1" + bytes(99), "cannot be read as Parquet"),
    ("empty.parquet", b"", "cannot be read as Parquet"),
    ("empty.csv", b"", "no column 'path'"),
])  # fmt: skip
def test_tables_that_cannot_be_read(
    name: str, content: bytes, expected: str, classifier: Classifier, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        predict_to_table(classifier, tmp_path / name, tmp_path / "out.csv")
    assert expected in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_separators_and_marks_of_spreadsheets(
    classifier: Classifier, images: list[Image.Image], tmp_path: Path
) -> None:
    images[0].save(tmp_path / "a b.png")
    for text in ("\ufeffpath;x\na b.png;1\n", "path\tx\na b.png\t1\n\n", 'x,path\n1,"a b.png"\n'):
        (tmp_path / "list.csv").write_text(text, encoding="utf-8")
        done = predict_to_table(
            classifier, tmp_path / "list.csv", tmp_path / "out.csv", overwrite=True
        )
        assert (done.images, done.errors) == (1, 0)
