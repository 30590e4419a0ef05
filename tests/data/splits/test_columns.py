"""Groups, dates and splits that stand in a column of a table."""

from pathlib import Path

import pytest

from adapt.data.image_data import ImageData
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.columns import column_of, split_by_date, split_by_value, with_groups
from adapt.errors import DataError
from tests.helpers.packed import folder, table


def names(images: ImageList) -> list[str]:
    return sorted(Path(path).stem for path in images.paths)


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
