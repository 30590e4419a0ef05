"""A whole check: planted faults, the cache, the list that fixes them, exit codes, runs."""

import json
import shutil
from pathlib import Path

import pytest

from adapt.checks.check import check
from adapt.data.sources.folders import from_folder
from adapt.errors import DataError, ModelError, RecipeError
from tests.helpers.planted import clean, draw, found_places, planted
from tests.helpers.tiny import VIT


def test_every_planted_fault_is_found_and_nothing_else(tmp_path: Path) -> None:
    found = check(planted(tmp_path / "photos"), model=None)
    places = found_places(found)
    assert places.pop("converted", None) is None
    assert places == {
        "unreadable": {"train/cat/empty.png", "train/cat/cut.png"},
        "wrong_extension": {"train/cat/lies.png"},
        "blank": {"train/cat/blank.png"},
        "tiny": {"train/cat/tiny.png"},
        "extreme_aspect": {"train/cat/long.png"},
        "dark": {"train/cat/dark.png"},
        "exact_copy": {"train/cat/same-1.png", "train/cat/same-2.png"},
        "conflicting_label": {"train/cat/two.png", "train/dog/labels.png"},
        "near_copy": {"train/cat/near-1.png", "train/cat/near-2.jpg"},
        "leak": {"test/dog/leaks.png", "train/dog/leaked.png"},
        "near_leak": {"test/dog/near-leaks.png", "train/dog/near-leaked.jpg"},
    }
    assert [one.level for one in found.findings] == sorted(
        (one.level for one in found.findings), key=["error", "warning", "note"].index
    )
    assert any(".DS_Store" in note for note in found.content["notes"])
    assert all(f"adapt check {tmp_path}/photos" in one.fix
               for one in found.findings if "adapt check" in one.fix)  # fmt: skip


def test_a_clean_set_has_no_finding(tmp_path: Path) -> None:
    found = check(clean(tmp_path / "photos"), model=None)
    assert found.findings == []
    assert found.summary() == "Clean: nothing is wrong with 18 images of 2 classes."
    assert found.content["sets"] == {
        "train": {"images": 12, "readable": 12, "classes": 2},
        "test": {"images": 6, "readable": 6, "classes": 2},
    }


def test_a_class_that_train_lacks_is_an_error(tmp_path: Path) -> None:
    draw(clean(tmp_path / "photos") / "test/cow/1.png", 77)
    [one] = check(tmp_path / "photos", model=None).findings
    assert (one.kind, one.level, one.places[0][0].path) == ("extra_class", "error", "cow/1.png")


def test_the_order_of_the_images_changes_nothing(tmp_path: Path) -> None:
    root = planted(tmp_path / "photos")
    sets = {name: from_folder(root / name) for name in ("train", "test")}
    turned = {name: images.subset(range(len(images))[::-1]) for name, images in sets.items()}
    one = check(sets, model=VIT, pretrained="random").content
    shutil.rmtree(tmp_path / "cache")
    other = check(turned, model=VIT, pretrained="random").content
    assert json.dumps(one) == json.dumps(other)


def test_what_cannot_be_checked_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not found"):
        check(tmp_path / "nothing")
    with pytest.raises(ModelError, match="not known"):
        check(clean(tmp_path / "photos"), model="no-such-model")
    (tmp_path / "wrong.yaml").write_text("name: x")
    with pytest.raises(RecipeError):
        check(tmp_path / "wrong.yaml")
    (tmp_path / "bad/cat").mkdir(parents=True)
    (tmp_path / "bad/cat/1.png").write_bytes(b"")
    with pytest.raises(DataError, match="no image can be read"):
        check(tmp_path / "bad", model=None)


def test_the_progress_reaches_its_end(tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}
    root = planted(tmp_path / "photos")
    check(root, model=None, progress=lambda step, done, total: told.update({step: (done, total)}))
    done, total = told["reading images"]
    assert done == total > 0
