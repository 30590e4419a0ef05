"""Tables and image lists are checked too."""

import shutil
from pathlib import Path

from adapt.checks.check import check
from adapt.checks.sources import read_sets
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.recipe.load import load
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


def test_splits_and_domains_are_the_sets_that_they_are(tmp_path: Path) -> None:
    photos = clean(tmp_path / "photos")
    (photos / "train").rename(photos / "Training")
    (photos / "test").rename(photos / "valid")
    assert list(read_sets(photos).images) == ["train", "val"]
    (photos / "Training").rename(photos / "ink")
    (photos / "valid").rename(photos / "photo")
    sets = read_sets(photos)
    assert list(sets.images) == ["train", "ink"]
    assert sets.images["train"].root.endswith("photos/photo")
    command = f"adapt run {photos}/photo evals.ink={photos}/ink"
    assert "its folders are domains" in sets.notes[0]
    assert command in sets.notes[0]
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", photos / "ink")
    assert len(read_sets(packed).images["train"]) == len(sets.images["ink"])


def test_a_loaded_recipe_on_photos_is_checked(tmp_path: Path) -> None:
    loaded = load("one_folder", photos=clean(tmp_path / "photos") / "train")
    sets = read_sets(loaded)
    assert list(sets.images) == ["train"]
    split = sets.split([True] * len(sets.images["train"]))
    assert sum(map(len, split.values())) == len(sets.images["train"])
