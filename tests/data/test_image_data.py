"""Train and validation: classes joined by name, shots drawn after the split."""

from pathlib import Path

import pytest
from PIL import Image

from adapt.data.image_data import ImageData, draw
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_table
from adapt.data.splits.columns import column_of, split_by_date, split_by_value, with_groups
from adapt.errors import DataError, RecipeError


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


def table(root: Path, header: str, rows: list[str]) -> ImageList:
    """Images 0.png, 1.png, ... of a table whose rows begin with the label."""
    (root / "i").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, row in enumerate(rows):
        Image.new("RGB", (2, 2), (number, 9, 0)).save(root / "i" / f"{number}.png")
        lines.append(f"i/{number}.png,{row}")
    (root / "labels.csv").write_text("\n".join([f"path,label,{header}", *lines]))
    return from_table(root / "labels.csv")


def names(images: ImageList) -> list[str]:
    return sorted(Path(path).stem for path in images.paths)


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
        "1 images are in train of every fold and judged by none: without them a fold could not "
        "learn fox"
    ]
    even = ImageData.from_folder(folder(tmp_path / "b", {"cat": 2, "dog": 2}), val=None)
    assert even.fold_notes(2) == []
    single = ImageData.from_folder(folder(tmp_path / "c", {"cat": 1, "dog": 1}), val=None)
    with pytest.raises(RecipeError, match=r"2 for 0 images \(without 2 that hold a whole class\)"):
        single.folds(2)


def test_any_column_may_be_the_group(tmp_path: Path) -> None:
    patients = ["anna", "anna", "", "bea", "bea", "carl", "carl", "", "dora", "dora", "", ""]
    rows = [f"{label},{who}" for who, label in zip(patients, "ababababaabb", strict=True)]
    plain = table(tmp_path, "Patient", rows)
    assert plain.groups is None
    images = with_groups(plain, "patient")
    lonely = [g for g in images.groups if g.startswith("image ")]
    assert len(lonely) == len(set(lonely)) == 4
    assert images.notes[-1] == "4 of 12 images have no 'patient': each is a group of its own"
    assert plain.notes == []
    for seed in range(5):
        data = ImageData.build(images, 0.3, seed=seed)
        assert not set(data.train.groups) & set(data.val.groups)
        assert not any("groups stand in train" in note for note in data.notes)
    moved = table(tmp_path / "moved", "patient", rows)
    assert with_groups(moved, " PATIENT").groups == images.groups, "content names lone images"
    with pytest.raises(DataError) as caught:
        with_groups(plain, "pattient")
    assert str(caught.value) == (
        f"{tmp_path} - no such column - 'pattient', did you mean 'patient'? - choose from patient"
    )
    with pytest.raises(DataError, match="choose from none: only tables have columns"):
        column_of(from_folder(folder(tmp_path / "f", {"cat": 1})), "patient")
    empty = table(tmp_path / "empty", "patient", ["a,", "b,"])
    with pytest.raises(DataError, match="column 'patient' - no groups - every cell is empty - "):
        with_groups(empty, "patient")
    assert with_groups(plain) is plain


def test_groups_on_both_sides_are_said(tmp_path: Path) -> None:
    images = table(tmp_path, "split,group", ["a,train,x", "b,train,y", "a,val,x", "b,val,z"])
    train, val, _ = split_by_value(images, "val")
    data = ImageData.build(train, None, val_source=val)
    assert data.notes == ["1 groups stand in train and in val, so val may look too good: x"]


def test_split_by_date(tmp_path: Path) -> None:
    rows = [f"{'ab'[n % 2]},2024-03-{n + 1:02}" for n in range(10)]
    train, val, notes = split_by_date(table(tmp_path, "Taken", rows), "taken", 0.2)
    assert (len(train), names(val)) == (8, ["8", "9"])
    assert notes == ["val holds the newest images by 'taken': 2 of 10 images, from 2024-03-09 on"]
    rows = ["a,2024-03-31T23:30:00-05:00", "a,2024-04-01T01:00:00+02:00", "b,2024-03-01T00:00Z",
            "b,2024-04-01T00:00:00Z", "c,2024-04-02T00:00Z"]  # fmt: skip
    train, val, notes = split_by_date(table(tmp_path / "z", "taken", rows), "taken", 0.6)
    assert names(val) == ["0", "3"], "by instant, and c has only the newest"
    assert notes == [
        "val holds the newest images by 'taken': 2 of 5 images, from 2024-04-01T00:00:00+00:00 on",
        "c has no image before 2024-04-01T00:00:00+00:00: it is in train (1 images)",
    ]
    assert ImageData.build(train, None, val_source=val).class_names == ["a", "b", "c"]


def test_dates_that_are_none(tmp_path: Path) -> None:
    images = table(tmp_path, "taken", ["a,2024-03-01", "b,", "b,1.3.2024"])
    where = f"{tmp_path}, row of i/1.png, column 'taken'"
    advice = "write 2024-05-31, or 2024-05-31T18:00:00+02:00"
    with pytest.raises(DataError) as caught:
        split_by_date(images, "taken", 0.5)
    assert str(caught.value) == f"{where} - no date - '' - {advice}"
    with pytest.raises(DataError, match=r"row of i/2\.png, .* - not a date - '1\.3\.2024' - write"):
        split_by_date(images.subset([0, 2]), "taken", 0.5)
    with pytest.raises(DataError, match=r"nothing left for validation - 0\.5 of 1 images, 1 dates"):
        split_by_date(images.subset([0]), "taken", 0.5)
    rows = ["a,2024-03-01 10:00", "b,2024-03-01 10:00Z"]
    with pytest.raises(DataError) as caught:
        split_by_date(table(tmp_path / "zone", "taken", rows), "taken", 0.5)
    assert str(caught.value) == (
        f"{tmp_path}/zone, row of i/1.png, column 'taken' - a time zone for some times only - "
        "'2024-03-01 10:00Z', and '2024-03-01 10:00' in the row of i/0.png - give all times a time "
        "zone, or none"
    )
    late = table(tmp_path / "late", "taken", ["a,2024-03-01", "b,2024-03-02"])
    with pytest.raises(DataError, match=r"nothing left .* no image before 2024-03-02 of b - add"):
        split_by_date(late, "taken", 0.5)


def test_split_by_value(tmp_path: Path) -> None:
    rows = [f"{'ab'[n % 2]},{split}" for n, split in enumerate(["train"] * 4 + ["dev"] * 2)]
    images = table(tmp_path, "split", [*rows, "a,test", "b,old", "b,old"])
    train, val, notes = split_by_value(images, "dev")
    assert (names(train), names(val)) == (["0", "1", "2", "3"], ["4", "5"])
    assert notes == ["3 images are in neither train nor val by their split: old (2), test (1)"]
    with pytest.raises(DataError) as caught:
        split_by_value(images, "devv")
    assert str(caught.value) == (
        f"{tmp_path}, column 'split' - no row of 'devv', did you mean 'dev'? - there are dev (2), "
        "old (2), test (1), train (4) - correct it; data.train.split must not be given, it takes "
        "some rows only"
    )
    with pytest.raises(DataError, match="no row of 'train' - there are dev"):
        split_by_value(val, "dev")
    with pytest.raises(DataError, match="val would be train"):
        split_by_value(images, "train")
    with pytest.raises(DataError, match="no column 'split' - val is to be the rows of 'val'"):
        split_by_value(from_folder(folder(tmp_path / "f", {"cat": 1})), "val")
