"""Tables and image lists are checked too."""

import shutil
from pathlib import Path

from adapt.checks.check import check
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from tests.helpers.planted import clean


def test_a_table_is_checked_by_its_splits(tmp_path: Path) -> None:
    clean(tmp_path / "photos")
    shutil.copy(tmp_path / "photos/train/cat/0.png", tmp_path / "photos/test/cat/leak.png")
    rows = [
        f"{path.relative_to(tmp_path / 'photos')},{path.parent.name},{name}"
        for split, name in (("train", "training"), ("test", "test"))
        for path in sorted((tmp_path / "photos" / split).rglob("*.png"))
    ]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,label,split", *rows]))
    found = check(table, root=tmp_path / "photos", model=None)
    assert list(found.content["sets"]) == ["train", "test"]
    assert [one.kind for one in found.findings] == ["leak"]


def test_images_at_hand_can_be_checked(tmp_path: Path) -> None:
    images = from_folder(clean(tmp_path / "photos") / "train")
    assert isinstance(images, ImageList)
    assert check(images, model=None).content["sets"]["train"]["images"] == 12
