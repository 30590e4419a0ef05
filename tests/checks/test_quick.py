"""The check that a run makes while it reads images."""

import json
from pathlib import Path

import pytest

import adapt.checks.findings.measure as pictures
from adapt.checks.quick import ImageHashes, quick_check
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import load
from tests.helpers.planted import RECIPE, clean, planted


def run_data(root: Path) -> tuple[RunData, ImageHashes]:
    recipe, glance = root.parent / "recipe.yaml", ImageHashes()
    recipe.write_text(RECIPE.format(root=root, exclude="null"))
    return build_data(load(str(recipe)).recipe, glance.add), glance


def test_a_run_finds_copies_and_leaks_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = planted(tmp_path / "photos")
    (root / "train/dog/labels.png").unlink()
    data, glance = run_data(root)
    read: list[str] = []
    real = pictures.inspect_image
    monkeypatch.setattr(pictures, "inspect_image", lambda path: (read.append(path), real(path))[1])
    quick = quick_check(data, glance, "my recipe.yaml")
    kinds = {one["kind"]: one for one in quick.content["findings"]}
    assert kinds.keys() >= {"leak", "near_leak", "exact_copy"}
    assert {Path(path).name for path in read} == {"near-leaks.png", "near-leaked.jpg"}
    names = [data.evals["test"].relative(row) for row in quick.leaked["test"]]
    assert names == ["dog/leaks.png", "dog/near-leaks.png"]
    assert quick.notes[0].startswith("LEAK: 1 of 8 images of test is")
    assert "adapt check 'my recipe.yaml' --fix" in quick.notes[0]
    quick.write(tmp_path)
    assert json.loads((tmp_path / "check.json").read_text()) == quick.content


def test_a_clean_run_has_no_notes(tmp_path: Path) -> None:
    quick = quick_check(*run_data(clean(tmp_path / "photos")), "recipe.yaml")
    assert (quick.notes, quick.leaked, quick.content["findings"]) == ([], {}, [])
