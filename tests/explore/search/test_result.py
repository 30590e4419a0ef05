"""An answer as data, table and page."""

import csv
from pathlib import Path

import pytest

from adapt.errors import DataError, RecipeError
from adapt.explore.search.index import Index
from adapt.explore.search.result import ask, read_captions
from adapt.explore.search.settings import SearchSettings


def test_the_content_of_an_answer(index: Index, photos: Path, tmp_path: Path) -> None:
    image = str(sorted((photos / "clock").iterdir())[0])
    settings = SearchSettings(image=[image], minus=["fish"], top=3, image_weight=0.5)
    done = ask(index, "out", ["a", "clock", "-dog"], settings)
    content = done.content
    assert (content["index"], content["images"], content["method"]) == ("out", 18, "exact")
    assert content["query"]["minus"] == ["dog", "fish"]
    assert content["query"]["said"] == f"a clock + image {Path(image).name} - dog - fish"
    assert content["query"]["weights"] == {"text": 1.0, "image": 0.5, "minus": 0.5}
    hits = index.search("a clock", image, ["dog", "fish"], top=3, weights=None)
    assert [answer["rank"] for answer in content["answers"]] == [1, 2, 3]
    assert set(content["answers"][0]) == {"rank", "path", "score", "row"}
    assert hits[0].path == content["answers"][0]["path"]
    page = done.write_page(tmp_path / "page.html").read_text()
    assert page.count('src="data:image/jpeg') == 4
    with pytest.raises(RecipeError, match="exists"):
        done.write_page(tmp_path / "page.html")
    with done.write_csv(tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [answer["path"] for answer in content["answers"]]
    assert float(rows[0]["score"]) == content["answers"][0]["score"]


def test_captions_are_ranked(index: Index, photos: Path, tmp_path: Path) -> None:
    image = str(sorted((photos / "heart").iterdir())[0])
    (tmp_path / "captions.txt").write_text("a heart\n\n=a clock\n")
    settings = SearchSettings(image=[image], captions=str(tmp_path / "captions.txt"))
    done = ask(index, "out", [], settings)
    assert {answer["caption"] for answer in done.content["answers"]} == {"a heart", "=a clock"}
    assert "'=a clock" in done.write_csv(tmp_path / "table.csv").read_text()
    assert "a heart" in done.write_page(tmp_path / "page.html").read_text()
    for words, images in ((["a"], [image]), ([], []), ([], [image, image])):
        settings = SearchSettings(image=images, captions=str(tmp_path / "captions.txt"))
        with pytest.raises(RecipeError, match="give one --image and no text"):
            ask(index, "out", words, settings)


def test_files_of_captions(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text('image,caption\na.png," a bus, red "\nb.png,\n')
    assert read_captions(table) == ["a bus, red"]
    table.write_text("image,text\na.png,a bus\n")
    with pytest.raises(DataError, match="no column 'caption' - columns image, text"):
        read_captions(table)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match="no captions"):
        read_captions(tmp_path / "empty.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8 - byte 0 - save it as UTF-8"):
        read_captions(tmp_path / "binary.txt")
    with pytest.raises(DataError, match="cannot be read - No such file"):
        read_captions(tmp_path / "no.txt")
