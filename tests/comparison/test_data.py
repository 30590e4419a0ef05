"""The images that are compared on: test sets of any form, shifts, and what is refused."""

from pathlib import Path

import pytest

from adapt.comparison.data import TableForm, sets_to_compare
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, RecipeError
from tests.helpers.tiny import CLASSES, VIT, draw_folder


def test_a_folder_and_its_shifts(toy_root: Path) -> None:
    test, other = toy_root / "test", toy_root / "val"
    sets, _ = sets_to_compare(test, [f"other={other}", "fog=fog:2"])
    assert list(sets) == ["test", "other", "fog"]
    assert (len(sets["test"]), len(sets["other"]), len(sets["fog"])) == (15, 12, 15)
    assert sets["fog"].shift == Shift("fog", 2)
    assert sets["other"].shift is None


def test_of_splits_the_test_images_are_taken(toy_root: Path) -> None:
    sets, notes = sets_to_compare(toy_root)
    assert {name: len(own) for name, own in sets.items()} == {"test": 15}
    assert "compared on test; train, val left out" in notes


def test_of_a_table_without_test_rows_val_is_taken(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "photos", dict.fromkeys(CLASSES, 4), 0)
    rows = [
        f"{path.relative_to(root)},{path.parent.name},{'val' if path.stem == '3' else 'train'}"
        for path in sorted(root.rglob("*.png"))
    ]
    (root / "labels.csv").write_text("\n".join(["path,label,split", *rows]))
    sets, _ = sets_to_compare(root / "labels.csv")
    assert {name: len(own) for name, own in sets.items()} == {"val": 3}


def test_a_table_elsewhere_needs_a_root(toy_root: Path, tmp_path: Path) -> None:
    files = sorted((toy_root / "test").rglob("*.png"))
    rows = [f"{path.relative_to(toy_root).as_posix()},{path.parent.name}" for path in files]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,label", *rows]))
    sets, _ = sets_to_compare(table, [f"again={table}"], TableForm(toy_root))
    assert [sorted(own.paths) for own in sets.values()] == [[str(path) for path in files]] * 2
    with pytest.raises(DataError, match="no table"):
        sets_to_compare(toy_root / "test", table=TableForm(toy_root))


def test_a_recipe_gives_all_its_test_sets(toy_root: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"""
version: 1
name: mine
model: {{arch: {VIT}, pretrained: random}}
data: {{train: {{kind: folder, root: {toy_root / "train"}}}}}
method: {{name: zero_shot}}
ensemble: {{kind: none}}
evals:
  test: {{kind: folder, root: {toy_root / "test"}}}
  fog: {{of: test, shift: fog, severity: 3}}
"""
    )
    sets, _ = sets_to_compare(recipe)
    assert {name: len(own) for name, own in sets.items()} == {"test": 15, "fog": 15}
    assert sets["fog"].shift == Shift("fog", 3)


def test_images_are_taken_as_they_are(toy_test: ImageList) -> None:
    assert sets_to_compare(toy_test)[0] == {"test": toy_test}
    assert sets_to_compare({"a": toy_test, "b": toy_test})[0].keys() == {"a", "b"}


def test_domains_are_refused_with_the_words_to_write(tmp_path: Path) -> None:
    for seed, domain in enumerate(("photo", "sketch")):
        draw_folder(tmp_path / "pacs" / domain, dict.fromkeys(CLASSES, 1), seed)
    with pytest.raises(DataError) as raised:
        sets_to_compare(tmp_path / "pacs")
    pacs = tmp_path / "pacs"
    assert f"adapt diff A B {pacs / 'photo'} --shift sketch={pacs / 'sketch'}" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sketch", "not NAME=DATA"),
        ("../a=b", "not NAME=DATA"),
        ("test=fog:2", "name taken - 'test'"),
        ("fog=fogg:2", "did you mean 'fog'"),
        ("fog=fog:9", "not a severity"),
        ("fog=fog:x", "not a severity"),
    ],
)
def test_a_wrong_shift_is_refused(text: str, message: str, toy_test: ImageList) -> None:
    with pytest.raises(RecipeError) as raised:
        sets_to_compare(toy_test, [text])
    assert message in str(raised.value)


def test_no_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not found"):
        sets_to_compare(tmp_path / "missing")
