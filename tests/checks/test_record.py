"""What a check writes: the list of exclusions and the page."""

import shutil
from pathlib import Path

import pytest

from adapt.checks.check import check
from adapt.errors import DataError
from adapt.recipe.data import build_data
from adapt.recipe.load import load
from tests.helpers.planted import RECIPE, REMOVED, clean, found_places, planted


def test_the_list_of_fix_fixes_the_recipe(tmp_path: Path) -> None:
    root, listed = planted(tmp_path / "photos"), tmp_path / "quarantine.txt"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(root=root, exclude="null"))
    before = check(recipe, model=None)
    assert set(REMOVED) <= found_places(before).keys()
    with pytest.raises(DataError, match="same image in two classes"):
        build_data(load(str(recipe)).recipe)
    lines = before.write_exclusions(listed)
    recipe.write_text(RECIPE.format(root=root, exclude=listed))
    after = check(recipe, model=None)
    assert not found_places(after).keys() & set(REMOVED)
    assert f"left out by {listed}: {len(lines)} of train" in after.content["notes"]
    data = build_data(load(str(recipe)).recipe)
    kept = {
        Path(path).name for path in [*data.fit.train.paths, *(data.fit.val or data.fit.train).paths]
    }
    assert kept.isdisjoint({"empty.png", "two.png", "labels.png", "leaked.png", "near-leaked.jpg"})
    assert len(kept & {"same-1.png", "same-2.png"}) == 1
    assert data.notes[0] == f"left out by {listed}: {len(lines)} of train"
    assert len(data.evals["test"]) == 8


def test_a_hostile_file_name_is_shown_as_text(tmp_path: Path) -> None:
    root = clean(tmp_path / "photos")
    shutil.copy(root / "train/cat/0.png", root / "train/cat/<script>x.png")
    check(root, model=None, out=tmp_path / "out")
    page = (tmp_path / "out" / "check.html").read_text()
    assert "&lt;script&gt;x.png" in page
    assert "<script" not in page
