"""Hugging Face data sets: what `save_to_disk` and the hub's Parquet files hold, to the byte."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from adapt.data.sources import hub as hub_sets
from adapt.data.sources.hub import from_hub
from adapt.data.sources.image_list import ImageList
from tests.helpers.packed import (
    CLASSES,
    FEATURES,
    IMAGE,
    LABEL,
    class_files,
    hub_table,
    refused,
    save_dict,
    save_to_disk,
    write_parquet,
)

FILES = class_files()
WANT = [(name.split("/")[0], content) for name, content in FILES]
TABLE = hub_table(FILES)


def content(images: ImageList) -> list[tuple[str, bytes]]:
    return [(images.labels[i], Path(path).read_bytes()) for i, path in enumerate(images.paths)]


def test_saved_to_disk(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_to_disk(tmp_path / "set", TABLE, FEATURES)
    images = from_hub(folder)
    assert content(images) == WANT
    assert [images.relative(i) for i in (0, 2)] == ["train/0000000.png", "train/0000002.jpg"]
    assert Path(images.root).is_relative_to(cache)
    assert images.notes == [
        f"{folder} is read from {images.root}, unpacked once, until its bytes change"
    ]
    monkeypatch.setattr(hub_sets, "_rows", None)
    assert from_hub(folder, split="train").paths == images.paths
    assert "no such split - 'test' - it holds train alone" in refused(
        from_hub, folder, split="test"
    )


def test_features_in_the_schema_alone(tmp_path: Path) -> None:
    folder = save_to_disk(tmp_path / "set", TABLE, FEATURES)
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps(info | {"features": None}))
    assert content(from_hub(folder)) == WANT


def test_several_splits(tmp_path: Path) -> None:
    splits = {"train": TABLE.slice(0, 12), "validation": TABLE.slice(12)}
    folder = save_dict(tmp_path / "set", splits, FEATURES)
    assert "several splits - train, validation - choose one with split" in refused(from_hub, folder)
    assert content(from_hub(folder, "train")) == WANT[:12]
    assert content(from_hub(folder, "val")) == WANT[12:]
    assert "'tran', did you mean 'train'? - choose from train, val" in refused(
        from_hub, folder, "tran"
    )
    alone = save_dict(tmp_path / "alone", {"train": TABLE}, FEATURES)
    assert content(from_hub(alone)) == WANT
    (alone / "dataset_dict.json").write_text(json.dumps({"splits": ["../set/train"]}))
    assert "no such split" in refused(from_hub, alone, "../set/train")


def test_parquet_of_the_hub(tmp_path: Path) -> None:
    for i in range(2):
        part = TABLE.slice(9 * i, 9)
        write_parquet(tmp_path / f"set/data/train-{i:05d}-of-00002.parquet", part, FEATURES)
    test = write_parquet(
        tmp_path / "set/data/test-00000-of-00001.parquet", TABLE.slice(0, 3), FEATURES
    )
    write_parquet(tmp_path / "set" / ".cache" / "train-1.parquet", TABLE, FEATURES)
    assert content(from_hub(tmp_path / "set", "train")) == WANT
    assert content(from_hub(tmp_path / "set", "test")) == WANT[:3]
    assert content(from_hub(test)) == WANT[:3]
    assert "several splits - test, train" in refused(from_hub, tmp_path / "set")
    write_parquet(tmp_path / "set" / "other" / "train-00000-of-00001.parquet", TABLE, FEATURES)
    message = refused(from_hub, tmp_path / "set", "train")
    assert "several data sets in it - data, other - give one of them, such as" in message


def test_parquet_without_features(tmp_path: Path) -> None:
    names = pa.array([label for label, _ in WANT])
    path = write_parquet(tmp_path / "a.parquet", TABLE.set_column(1, "label", names))
    assert content(from_hub(path)) == WANT
    raw = pa.table({"jpg": pa.array([c for _, c in WANT], pa.large_binary()), "label": names})
    assert content(from_hub(write_parquet(tmp_path / "b.parquet", raw))) == WANT


def test_columns(tmp_path: Path) -> None:
    count = len(FILES)
    more = {
        "coarse": pa.array([i % 2 for i in range(count)]),
        "site": pa.array([None if i == 1 else f"s{i}" for i in range(count)]),
        "age": pa.array(range(count)), "boxes": pa.array([[1, 2]] * count),
        "when": pa.array([0] * count, pa.date32()), "patient": pa.array(["p"] * count),
    }  # fmt: skip
    features = FEATURES | {"coarse": {"names": ["pet", "wild"], "_type": "ClassLabel"}}
    images = from_hub(save_to_disk(tmp_path / "set", hub_table(FILES, **more), features))
    assert images.labels == [label for label, _ in WANT]
    assert images.columns["coarse"] == ["pet", "wild"] * (count // 2)
    assert images.columns["site"][:3] == ["s0", "", "s2"]
    assert images.columns["age"] == [str(i) for i in range(count)]
    assert images.columns["when"][0] == "1970-01-01"
    assert "boxes" not in images.columns
    assert images.notes[1] == "columns that hold no plain values are not used: boxes"
    other = from_hub(tmp_path / "set", label="coarse")
    assert sorted(set(other.labels)) == ["pet", "wild"]
    assert sorted(other.columns["given_label"]) == sorted(label for label, _ in WANT)


def test_which_column_is_what(tmp_path: Path) -> None:
    two = hub_table(FILES).rename_columns(["image", "fine"])
    two = two.append_column("coarse", two["fine"])
    folder = save_to_disk(tmp_path / "set", two, {"image": IMAGE, "fine": LABEL, "coarse": LABEL})
    message = refused(from_hub, folder)
    assert "which column is the label - fine, coarse of image, fine, coarse - name it" in message
    assert content(from_hub(folder, label="fine")) == WANT
    assert "no such column - label 'fin', did you mean 'fine'?" in refused(
        from_hub, folder, label="fin"
    )
    assert "not a column of labels" in refused(from_hub, folder, label="image")
    none = write_parquet(tmp_path / "a.parquet", pa.table({"path": ["x"], "label": ["y"]}))
    assert "which column is the image - none of path, label" in refused(from_hub, none)
    numbers = hub_table(FILES).set_column(1, "label", pa.array([0.5] * len(FILES)))
    assert "not a column of labels - 'label' is double" in refused(
        from_hub, write_parquet(tmp_path / "b.parquet", numbers)
    )


@pytest.mark.parametrize("form", ["Sequence", "List", "old", "plain", "strings", "other name"])
def test_multi_label(tmp_path: Path, form: str) -> None:
    lists = pa.array([[0, 1]] * len(FILES))
    feature: Any = {
        "Sequence": {"feature": LABEL, "_type": "Sequence"},
        "List": {"feature": LABEL, "length": -1, "_type": "List"},
        "old": [LABEL],
        "other name": {"feature": LABEL, "_type": "List"},
    }.get(form)
    name = "tags" if form == "other name" else "label"
    if form == "strings":
        lists = pa.array([["a", "b"]] * len(FILES))
    features = {"image": IMAGE} | ({name: feature} if feature else {})
    table = hub_table(FILES).set_column(1, name, lists)
    message = refused(from_hub, save_to_disk(tmp_path / "set", table, features))
    assert f"several labels for one image - column {name!r} holds lists" in message
    assert "one label per image is expected here" in message


def with_rows(*rows: tuple[Any, Any]) -> pa.Table:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    return pa.table({"image": pa.array([r[0] for r in rows], kind), "label": [r[1] for r in rows]})


GOOD = {"bytes": FILES[0][1], "path": None}
BAD_ROWS: dict[str, tuple[Any, Any, str]] = {
    "no image": (None, 0, "row 1 - no image - the cell is empty"),
    "neither": ({"bytes": None, "path": None}, 0, "row 1 - no image"),
    "path alone": (
        {"bytes": None, "path": "/etc/passwd"},
        0,
        "'/etc/passwd' alone - save it",
    ),
    "unlabelled": (GOOD, -1, "row 1, column 'label' - no label"),
    "null": (GOOD, None, "row 1, column 'label' - no label"),
    "out of range": (GOOD, 3, "row 1 - no such class - 3 of 3 names"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_rows_that_cannot_be_used(tmp_path: Path, cache: Path, name: str) -> None:
    image, label, what = BAD_ROWS[name]
    folder = save_to_disk(
        tmp_path / "set", with_rows((GOOD, 0), (image, label)), FEATURES, shards=1
    )
    message = refused(from_hub, folder)
    assert message.startswith(f"{folder}, split train, row 1")
    assert what in message
    assert list(cache.iterdir()) == []


def test_bytes_that_are_no_image_are_left_to_the_check(tmp_path: Path) -> None:
    table = with_rows((GOOD, 0), ({"bytes": b"hello", "path": "a.txt"}, 1))
    images = from_hub(save_to_disk(tmp_path / "set", table, FEATURES, shards=1))
    assert [Path(path).name for path in images.paths] == ["0000000.png", "0000001.bin"]


def test_damage(tmp_path: Path) -> None:
    folder = save_to_disk(tmp_path / "set", TABLE, FEATURES)
    file = folder / "data-00001-of-00002.arrow"
    file.write_bytes(file.read_bytes()[:900])
    assert f"{file} - cannot be read as Arrow" in refused(from_hub, folder)
    file.unlink()
    assert f"files are missing - 1 of 2, the first is {file.name}" in refused(from_hub, folder)
    state = json.loads((folder / "state.json").read_text())
    for files, what in (
        ([{"filename": "../secret.arrow"}], "'../secret.arrow'"), ([], "no file"),
        ("x", "no list of files"), (None, "no list of files"),
    ):  # fmt: skip
        (folder / "state.json").write_text(json.dumps(state | {"_data_files": files}))
        assert what in refused(from_hub, folder)
    (folder / "state.json").write_text(json.dumps(state | {"_indices_data_files": [{}]}))
    assert "a list of rows - save it again" in refused(from_hub, folder)
    (folder / "state.json").write_text("{")
    assert "cannot be read as JSON" in refused(from_hub, folder)
    broken = tmp_path / "a.parquet"
    broken.write_bytes(b"PAR1 nonsense PAR1")
    assert f"{broken} - cannot be read as Arrow" in refused(from_hub, broken)
    (tmp_path / "empty").mkdir()
    assert "not a Hugging Face data set" in refused(from_hub, tmp_path / "empty")


def test_memory_stays_flat(tmp_path: Path) -> None:
    before = pa.total_allocated_bytes()
    rows = [({"bytes": bytes([i]) * (1 << 20), "path": None}, i % 3) for i in range(24)]
    folder = save_to_disk(tmp_path / "set", with_rows(*rows), FEATURES, shards=1)
    del rows
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    previous = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        images = from_hub(folder)
    finally:
        pa.set_memory_pool(previous)
    assert len(images) == 24
    assert pool.max_memory() < 8 << 20
    assert pa.total_allocated_bytes() >= before
    assert set(images.labels) == set(CLASSES)
