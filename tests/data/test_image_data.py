"""Train and validation: classes joined by name, shots drawn after the split."""

from pathlib import Path

import pytest

from adapt.data.image_data import ImageData, draw
from adapt.data.sources.folders import from_folder
from adapt.data.sources.tables import from_table
from adapt.data.splits.columns import split_by_value
from adapt.errors import DataError, RecipeError
from tests.helpers.packed import folder, table


def test_shots_come_after_the_split(tmp_path: Path) -> None:
    root = folder(tmp_path, {"cat": 10, "big_dog": 10, "fox": 3})
    data = ImageData.from_folder(root, val=0.2, shots=4)
    assert data.class_names == ["big_dog", "cat", "fox"]
    assert data.words() == ["big dog", "cat", "fox"]
    assert data.prompts() == [(), (), ()]
    assert data.train.counts() == {"big_dog": 4, "cat": 4, "fox": 2}
    assert data.val.counts() == {"big_dog": 2, "cat": 2, "fox": 1}
    assert data.notes == ["1 classes have fewer than 4 images: fox"]
    assert not set(data.train.paths) & set(data.val.paths)
    full = ImageData.from_folder(root, val=0.2)
    assert full.val.paths == data.val.paths
    assert set(data.train.paths) < set(full.train.paths)
    source = from_folder(root)
    small = ImageData.build(source, 0.2, 4, 0, val_shots=1)
    assert small.val.counts() == {"big_dog": 1, "cat": 1, "fox": 1}
    assert small.train.paths == data.train.paths
    assert ImageData.build(source, 0.2, 4, 1).train.paths != data.train.paths


def test_one_image_stays_in_train(tmp_path: Path) -> None:
    data = ImageData.from_folder(folder(tmp_path, {"cat": 10, "fox": 1}))
    assert data.train.counts() == {"cat": 8, "fox": 1}
    assert data.val.counts() == {"cat": 2}
    assert data.notes == [
        "fox has one image: it is in train",
        "1 classes have no validation image: fox",
    ]


def test_validation_of_its_own(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", {"cat": 3, "dog": 3})
    data = ImageData.from_folder(root, val=folder(tmp_path / "b", {"dog": 2}))
    assert (len(data.train), data.val.counts()) == (6, {"dog": 2})
    assert data.notes == ["1 classes have no validation image: cat"]
    other = folder(tmp_path / "c", {"dogs": 1})
    with pytest.raises(DataError) as caught:
        ImageData.from_folder(root, val=str(other))
    assert str(caught.value) == (
        f"{other}/dogs/0.png - validation has a class that train lacks - 'dogs', did you mean "
        "'dog'? - add training images of it or remove it from validation"
    )


def test_no_validation(tmp_path: Path) -> None:
    data = ImageData.from_folder(folder(tmp_path, {"cat": 2, "dog": 2}), val=None)
    assert data.val is None
    assert len(data.train) == 4


def test_too_little(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fewer than two classes to train on - \{'cat': 3\}"):
        ImageData.from_folder(folder(tmp_path / "a", {"cat": 3}), val=None)
    with pytest.raises(DataError, match=r"nothing left for validation - 0\.2 of 2 images"):
        ImageData.from_folder(folder(tmp_path / "b", {"cat": 1, "dog": 1}))


def test_table_and_folder_split_alike(tmp_path: Path) -> None:
    root = folder(tmp_path, {"cat": 9, "dog": 7})
    lines = [
        f"{label}/{n}.png,{label}"
        for label, count in (("dog", 7), ("cat", 9))
        for n in range(count)
    ]
    (root / "labels.csv").write_text("\n".join(["path,label", *reversed(lines)]))
    from_rows = ImageData.build(from_table(root / "labels.csv"), 0.3, 2, seed=5)
    from_folders = ImageData.from_folder(root, 0.3, 2, seed=5)
    assert from_rows.train.paths == from_folders.train.paths
    assert from_rows.val.paths == from_folders.val.paths


def test_groups_stay_together(tmp_path: Path) -> None:
    root = folder(tmp_path, {"cat": 12, "dog": 12})
    rows = [
        f"{label}/{n}.png,{label},{label}{n // 3}" for label in ("cat", "dog") for n in range(12)
    ]
    (root / "labels.csv").write_text("\n".join(["path,label,group", *rows]))
    data = ImageData.build(from_table(root / "labels.csv"), 0.25, None, seed=0)
    assert data.val.counts() == {"cat": 3, "dog": 3}
    assert not set(data.train.groups) & set(data.val.groups)


def test_a_share_in_place_of_shots(tmp_path: Path) -> None:
    source = from_folder(folder(tmp_path, {"cat": 20, "dog": 10, "fox": 2}))
    data = ImageData.build(source, 0.5, seed=3, fraction=0.2)
    assert data.train.counts() == {"cat": 2, "dog": 1, "fox": 1}
    more = ImageData.build(source, 0.5, seed=3, fraction=0.6)
    assert set(data.train.paths) < set(more.train.paths)
    assert data.val.paths == more.val.paths
    with pytest.raises(RecipeError, match=r"shots and fraction - both given - 2 and 0\.5 - keep"):
        draw(source, 2, 0.5, 0)
    assert draw(source, None, None, 0) is source


def test_folds_survive_classes_of_one(tmp_path: Path) -> None:
    data = ImageData.from_folder(folder(tmp_path, {"cat": 4, "dog": 4, "fox": 1}), val=None)
    folds = data.folds(2, seed=1)
    for fold in folds:
        assert fold.train.counts() == {"cat": 2, "dog": 2, "fox": 1}
        assert fold.val.counts() == {"cat": 2, "dog": 2}
    judged = [path for fold in folds for path in fold.val.paths]
    assert sorted(judged) == sorted(p for p in data.train.paths if "fox" not in p)
    assert data.fold_notes(2, seed=1) == [
        "1 image is in train of every fold and tested in none: without it a fold could not "
        "learn fox"
    ]
    even = ImageData.from_folder(folder(tmp_path / "b", {"cat": 2, "dog": 2}), val=None)
    assert even.fold_notes(2) == []
    single = ImageData.from_folder(folder(tmp_path / "c", {"cat": 1, "dog": 1}), val=None)
    with pytest.raises(RecipeError, match=r"2 for 0 images \(without 2 that hold a whole class\)"):
        single.folds(2)


def test_groups_on_both_sides_are_said(tmp_path: Path) -> None:
    images = table(tmp_path, "split,group", ["a,train,x", "b,train,y", "a,val,x", "b,val,z"])
    train, val, _ = split_by_value(images, "val")
    data = ImageData.build(train, None, val_source=val)
    assert data.notes == ["1 groups are in both train and val, so val may look too good: x"]
