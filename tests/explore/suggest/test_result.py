"""The list, the page and the folder of links."""

import csv
import json
import tarfile
from pathlib import Path

import pytest

from adapt.data.sources.folders import from_folder
from adapt.errors import RecipeError
from adapt.explore.suggest.result import Suggestion, result_files
from adapt.explore.suggest.run import suggest


def test_what_is_written(model: Path, pool: Path, tmp_path: Path) -> None:
    done = suggest(model, pool, 6)
    path = done.write(tmp_path / "out")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == list("123456")
    assert [str(pool / row["path"]) for row in rows] == done.paths
    assert {row["label"] for row in rows} == {""}
    assert all(row["why"] for row in rows)
    table, data, page = result_files(tmp_path / "out")
    assert json.loads(data.read_text()) == done.content
    text = page.read_text()
    assert text.count("data:image/jpeg") == 6
    assert "http:" not in text
    assert "https:" not in text
    with pytest.raises(RecipeError, match="exists"):
        done.write(tmp_path / "out")
    assert done.write(tmp_path / "out", overwrite=True) == table


def test_links_by_predicted_class_are_a_labelled_folder(
    model: Path, pool: Path, tmp_path: Path
) -> None:
    done = suggest(model, pool, 20, "random")
    folder = done.link(tmp_path / "links")
    images = from_folder(folder)
    assert len(images) == 20
    predicted = {
        Path(pick["path"]).name: done.content["classes"][pick["predicted"]]
        for pick in done.content["picks"]
    }
    for path, label in zip(images.paths, images.labels, strict=True):
        name = Path(path).name.partition("-")[2]
        assert predicted[name] == label
        assert Path(path).samefile(pool / name)
    with pytest.raises(RecipeError, match="not empty"):
        done.link(folder)


def test_images_in_an_archive_are_copied(model: Path, pool: Path, tmp_path: Path) -> None:
    archive = tmp_path / "pool.tar"
    with tarfile.open(archive, "w") as file:
        for path in sorted(pool.glob("0*.png")):
            file.add(path, path.name)
    done = suggest(model, archive, 3)
    copies = list(done.link(tmp_path / "links").rglob("*.png"))
    assert len(copies) == 3
    originals = {path.read_bytes() for path in pool.glob("0*.png")}
    assert all(path.read_bytes() in originals for path in copies)
    done.write(tmp_path / "out")
    assert (tmp_path / "out" / "suggest.html").read_text().count("data:image/jpeg") == 3


def test_no_cell_is_a_formula() -> None:
    pick = {"rank": 1, "path": "=a.png", "sha256": "", "predicted": 0, "confidence": 0.5,
            "why": "=1+1", "copies": 0}  # fmt: skip
    content = {"classes": ["+x"], "picks": [pick], "pool": "list.csv"}
    line = Suggestion(content).csv_text().splitlines()[1]
    assert line == "./=a.png,1,'+x,0.5000,'=1+1,"
