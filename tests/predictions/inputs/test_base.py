"""Which kind a source is, and what becomes of an item that cannot be got."""

from pathlib import Path

import pytest

from adapt.data.decoding.formats import refuse
from adapt.errors import DataError, RecipeError
from adapt.predictions.inputs.base import INPUTS, Item, Reading, ends_with


def test_every_kind_is_found_in_its_folder() -> None:
    assert set(INPUTS.table()) == {"archive", "folder", "image", "list", "packed", "table"}


@pytest.mark.parametrize(("name", "kind"), [
    ("folder.csv/", "folder"), ("a.csv", "table"), ("a.PARQUET", "table"), ("a.zip", "archive"),
    ("a.tar.gz", "archive"), ("a-{0..3}.tar", "archive"), ("a-*.tar", "archive"),
    ("a.png", "image"), ("photo", "image"), ("-", "list"),
])  # fmt: skip
def test_a_source_is_of_one_kind(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name.endswith("/"):
        Path(name).mkdir()
    elif kind == "image":
        Path(name).write_text("")
    taking = [own for own, given in INPUTS.table().items() if given.takes(name)]
    assert kind in taking
    assert set(taking) - {"image"} in ({kind}, set())


@pytest.mark.parametrize(("source", "expected"), [
    ("gone", "gone - not found - no such file or folder - give a"),
    ("x" * 5000, "cannot be read - File name too long"),
])  # fmt: skip
def test_a_source_that_is_not_there(source: str, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        Reading(source).items()
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 400


def test_null_is_for_lists() -> None:
    with pytest.raises(RecipeError, match="--null - only for a list on standard input - photos"):
        Reading("photos", null=True).items()


def test_items() -> None:
    problem = refuse("a.zip/x", "damaged", "3 bytes", "copy it again")
    broken = Item.broken("a.zip/x", problem).load()
    assert (broken.name, broken.problem) == ("a.zip/x", problem)
    given = Item.at("a.png").load()
    assert (given.name, given.image, given.problem) == ("a.png", "a.png", None)


def test_a_folder_has_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.tar").mkdir()
    assert not ends_with(str(tmp_path / "a.tar"), (".tar",))
