"""What a check writes: the list of exclusions and the page."""

import shutil
from pathlib import Path

import pytest

from adapt.checks.check import check
from adapt.checks.record import choices, write_names
from adapt.data.labels.classes import read_classes
from adapt.data.splits.exclusions import read_exclusions
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
    assert f"left out by {listed}: {len(lines)} of train" in data.notes
    assert len(data.evals["test"]) == 8


def test_a_hostile_file_name_is_shown_as_text(tmp_path: Path) -> None:
    root = clean(tmp_path / "photos")
    shutil.copy(root / "train/cat/0.png", root / "train/cat/<script>x.png")
    check(root, model=None, out=tmp_path / "out")
    page = (tmp_path / "out" / "check.html").read_text()
    assert "&lt;script&gt;x.png" in page
    assert "<script>x.png" not in page
    assert page.count("<script") == 2  # the page's own, of which the policy names the hash


def test_what_the_page_saves_is_the_list_of_fix(tmp_path: Path) -> None:
    """With the ticks as they are; each other tick adds the line of its image."""
    root = planted(tmp_path / "photos")
    (root / "train/dog/line\nend\u2028.png").write_bytes((root / "train/dog/0.png").read_bytes())
    found = check(root, model=None)
    lines = found.write_exclusions(tmp_path / "fix.txt")
    chosen = choices(found.content)
    ticked = [choice.line for choice in chosen.values() if choice.left_out]
    (tmp_path / "page.txt").write_text("# header\n" + "".join(f"{line}\n" for line in ticked))
    assert set(read_exclusions(tmp_path / "page.txt")) == set(lines)
    every = [choice.line for choice in chosen.values()]
    (tmp_path / "all.txt").write_text("".join(f"{line}\n" for line in every))
    read = {(line.split, line.path): line for line in read_exclusions(tmp_path / "all.txt")}
    assert read.keys() == chosen.keys()
    assert ("train", "dog/line\nend\u2028.png") in read
    for finding in found.content["findings"]:
        for place in (place for places in finding["places"] for place in places):
            if place["sha256"]:
                assert read[place["split"], place["path"]].sha256 == place["sha256"]


def test_the_names_that_are_written_can_be_read_as_classes(tmp_path: Path) -> None:
    lines = {
        "numbered_name": ["001.Black_cat: black cat", "002.Dog: dog"],
        "unreadable_name": ["n01440764: what the images show"],
        "long_name": ["x: y"],
    }
    findings = [
        {"kind": kind, "details": {"classes": [{"name": t.split(":")[0], "line": t} for t in own]}}
        for kind, own in lines.items()
    ]
    file = tmp_path / "classes.yaml"
    written = write_names(file, {"findings": findings})
    assert written == (lines["numbered_name"], lines["unreadable_name"])
    words = {key: name.words for key, name in read_classes(file).items()}
    assert words == {"001.Black_cat": "black cat", "002.Dog": "dog"}
    assert file.read_text().endswith("# n01440764: what the images show\n")
