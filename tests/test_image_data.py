"""Train and validation: classes joined by name, shots drawn after the split."""

from pathlib import Path

import pytest
from PIL import Image

from adapt.data.image_data import ImageData
from adapt.data.sources import from_folder, from_table
from adapt.errors import DataError


def folder(root: Path, counts: dict[str, int]) -> Path:
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (2, 2), (number, 0, 0)).save(root / label / f"{number}.png")
    return root


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
