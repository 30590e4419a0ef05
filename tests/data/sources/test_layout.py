"""Classes, splits and domains are told apart by the names of folders; sources by what is there."""

import json
import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from adapt.data.sources.layout import (
    CLASSES,
    DOMAINS,
    SPLITS,
    archive_layout,
    layout_of,
    named_splits,
    source_of,
)
from adapt.errors import DataError


def tree(root: Path, *files: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["Train/cat/1.jpg", "VALID/cat/1.jpg", "Testing/cat/1.jpg"],
         {"train": "Train", "val": "VALID", "test": "Testing"}),
        (["train/cat/1.jpg", "validation/dog/2.JPG", "docs/readme.txt"],
         {"train": "train", "val": "validation"}),
        (["train/cat/1.jpg"], {"train": "train"}),
        # What is beside them is no split; images without class folders are for predictions.
        (["train/cat/1.jpg", "val/cat/1.jpg", "test/1.jpg", "extra/cat/3.jpg"],
         {"train": "train", "val": "val"}),
    ],
)  # fmt: skip
def test_splits_are_taken_as_what_they_say(
    files: list[str], expected: dict[str, str], tmp_path: Path
) -> None:
    layout = layout_of(tree(tmp_path, *files))
    assert layout.kind == SPLITS
    assert {split: folder.name for split, folder in layout.splits.items()} == expected
    assert [("extra" in note, "test has no class folders" in note) for note in layout.notes] == (
        [(False, True), (True, False)] if "extra/cat/3.jpg" in files else []
    )


@pytest.mark.parametrize(
    "files",
    [
        ["cat/1.jpg", "dog/2.jpg"],
        # A class may be called like a split: a train is a vehicle.
        ["train/1.jpg", "plane/2.jpg"],
        ["train/steam/1.jpg", "plane/jet/2.jpg"],
        # Folders below classes: sessions, or kinds of the class.
        ["cat/2023/1.jpg", "cat/2024/1.jpg", "dog/2023/1.jpg", "dog/2024/1.jpg"],
        ["cat/siamese/1.jpg", "cat/manx/1.jpg", "dog/pug/1.jpg", "dog/collie/1.jpg"],
        ["cat/young/1.jpg", "cat/old/1.jpg", "dog/young/1.jpg", "dog/2.jpg", "horse/1.jpg"],
        [],
    ],
)
def test_everything_else_is_classes(files: list[str], tmp_path: Path) -> None:
    assert layout_of(tree(tmp_path, *files)).kind == CLASSES


def test_the_same_classes_below_several_folders_are_domains(tmp_path: Path) -> None:
    files = [f"{domain}/{label}/1.jpg" for domain in ("ink", "photo") for label in ("cat", "Dog")]
    layout = layout_of(tree(tmp_path, *files, "ink/cat/2.jpg", "notes/readme.txt"))
    assert (layout.kind, layout.shared) == (DOMAINS, ["cat", "dog"])
    assert list(layout.domains) == ["photo", "ink"], "photos are what CLIP knows best"
    more = tree(tmp_path, *(f"oil/{label}/{n}.jpg" for label in ("cat", "dog") for n in range(3)))
    assert list(layout_of(more).domains) == ["photo", "oil", "ink"], "then by their images"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["val/cat/1.jpg", "valid/cat/1.jpg", "train/cat/1.jpg"], "two folders mean val"),
        (["val/cat/1.jpg", "test/cat/1.jpg"], "splits without a folder train - test, val"),
    ],
)
def test_splits_that_cannot_be_meant(files: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        layout_of(tree(tmp_path, *files))


def test_the_kind_of_source(tmp_path: Path) -> None:
    def kind(name: str, *files: str) -> tuple[str, str]:
        source = source_of(tree(tmp_path / name, *files))
        return source.pop("kind"), Path(next(iter(source.values()))).name

    assert kind("plain", "cat/1.jpg", "labels.csv") == ("folder", "plain")
    assert kind("listed", "1.jpg", "2.jpg", "labels.csv") == ("table", "labels.csv")
    assert kind("packed", "0.tar", "1.tar") == ("shards", "packed")
    assert kind("hub", "state.json", "data-0.arrow") == ("huggingface", "hub")
    assert kind("parquet", "data/train-00000-of-00001.parquet") == ("huggingface", "parquet")
    assert kind("empty") == ("folder", "empty")
    assert source_of("photos.zip")["kind"] == source_of("no/such.tar")["kind"] == "archive"
    for columns, expected in ((["path", "label"], "table"), (["image", "label"], "huggingface")):
        file = tmp_path / f"{expected}.parquet"
        pd.DataFrame({column: ["a"] for column in columns}).to_parquet(file)
        assert source_of(file)["kind"] == expected
    for files, expected in ((["1.jpg", "1.cls"], "shards"), (["a/1.jpg", "notes.json"], "archive")):
        with tarfile.open(tmp_path / "some.tar", "w") as archive:
            for file in files:
                archive.addfile(tarfile.TarInfo(file))
        assert source_of(tmp_path / "some.tar")["kind"] == expected


def test_an_archive_has_the_layout_of_what_was_packed(tmp_path: Path) -> None:
    for top, files, kind in (
        ("", ["Train/cat/1.jpg", "test/cat/1.jpg"], SPLITS),
        ("photos", ["train/cat/1.jpg", "valid/cat/1.jpg"], SPLITS),
        ("", ["ink/cat/1.jpg", "ink/dog/1.jpg", "oil/cat/1.jpg", "oil/dog/1.jpg"], DOMAINS),
        ("photos", ["cat/1.jpg", "dog/1.jpg"], CLASSES),
    ):
        folder = tmp_path / f"{kind}{top}"
        tree(folder / top, *files)
        (folder / ".DS_Store").touch()
        for form in ("zip", "gztar"):
            packed = shutil.make_archive(str(tmp_path / "packed"), form, folder)
            layout = archive_layout(packed)
            assert layout.kind == kind
            assert {s: p.name for s, p in layout.splits.items()} == {
                s: p.name for s, p in layout_of(folder / top).splits.items()
            }
            names = named_splits(source_of(packed))
            assert names == {s: p.name for s, p in layout.splits.items()}


def test_what_shards_and_data_sets_call_their_splits(tmp_path: Path) -> None:
    tree(tmp_path / "shards", "train-0.tar", "validation-0.tar", "test-0.tar")
    expected = {"train": "train", "val": "validation", "test": "test"}
    assert named_splits(source_of(tmp_path / "shards")) == expected
    tree(tmp_path / "plain", "0.tar", "1.tar")
    assert named_splits(source_of(tmp_path / "plain")) == {}
    assert named_splits(source_of("p-{train,test}.tar")) == {"train": "train", "test": "test"}
    tree(tmp_path / "parquet", "train-00000-of-00001.parquet", "test-00000-of-00001.parquet")
    assert set(named_splits(source_of(tmp_path / "parquet"))) == {"train", "test"}
    tree(tmp_path / "hub", "train/state.json", "test/state.json")
    (tmp_path / "hub" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    assert set(named_splits(source_of(tmp_path / "hub"))) == {"train", "test"}
