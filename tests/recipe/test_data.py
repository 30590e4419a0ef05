"""What a recipe's data sections read and split."""

from pathlib import Path

from tests.data.splits.test_stored import data_of, table_of


def test_recipes_split_by_date_value_and_group(photos: Path, tmp_path: Path) -> None:
    days = [f"2024-01-{1 + number % 10:02}" for number in range(17)]
    train = f"{{kind: table, path: {table_of(photos, 'Taken', days)}}}"
    data = data_of(tmp_path, train, "{from: train, by: date, column: taken, fraction: 0.3}")
    assert data.fit.train.columns["taken"].count("2024-01-07") == 1, "the only fox came late"
    assert sorted(data.fit.val.columns["taken"]) == [f"2024-01-{day:02}" for day in (7, 8, 9, 10)]
    splits = ["train"] * 9 + ["val"] + ["train"] * 4 + ["val", "test", "train"]
    train = f"{{kind: table, path: {table_of(photos, 'split', splits)}}}"
    data = data_of(tmp_path, train, "{from: train, by: split, value: val}")
    assert (len(data.fit.train), data.fit.val.counts()) == (14, {"cat": 1, "dog": 1})
    assert [entry["label"] for entry in data.manifest["unused"]] == ["dog"]
    farms = [str(number // 2) for number in range(16)] + [""]
    train = f"{{kind: table, path: {table_of(photos, 'farm', farms)}, group: farm, fraction: 0.5}}"
    data = data_of(tmp_path, train)
    assert not set(data.fit.train.groups) & set(data.fit.val.groups)
    assert "train: 1 of 17 images have no 'farm': each is a group of its own" in data.notes
    data = data_of(tmp_path, f"{{kind: folder, root: {photos}}}", "{from: train, folds: 2}")
    assert data.fit.val is None
    assert data.notes[0].endswith("without it a fold could not learn fox")
