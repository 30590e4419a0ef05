"""Stored splits: known by content, used again wherever the files lie, checked on resume."""

import hashlib
import json
import random
from collections import Counter
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_table
from adapt.data.splits.stored import (
    SplitError,
    check_unchanged,
    compare_splits,
    describe_split,
    read_split,
    split_hash,
    stored_split,
)
from adapt.errors import DataError, RecipeError
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import load

COUNTS = {"cat": 10, "dog": 6, "fox": 1}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for place, (label, count) in enumerate(COUNTS.items()):
        (root / label).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (2, 2), (number, place, 0)).save(root / label / f"{number}.png")
    return root


def data_of(folder: Path, train: str, val: str = "{from: train}", seed: int = 0) -> RunData:
    """What a recipe with these sections reads, the YAML read as strictly as any."""
    text = (
        f"name: x\nseed: {seed}\nmodel: {{arch: a, pretrained: b}}\nmethod: {{name: zero_shot}}\n"
        f"data:\n  train: {train}\n  val: {val}\nevals: {{}}\n"
    )
    file = folder / "recipe.yaml"
    file.write_text(text)
    schema = make_dataclass("ZeroShot", [])
    loaded = load(file, [], {"zero_shot": schema})
    (folder / "again.yaml").write_text(loaded.text())
    again = load(folder / "again.yaml", [], {"zero_shot": schema})
    assert again.recipe == loaded.recipe
    return build_data(loaded.recipe)


def store(path: Path, data: RunData) -> Path:
    path.write_text(json.dumps(data.manifest))
    return path


def contents(images: ImageList | None) -> Counter[str]:
    paths = images.paths if images else []
    return Counter(hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths)


def test_every_form_gives_the_same_hash(photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.rglob("*.png"))
    frame = pd.DataFrame(
        {
            "path": [str(f.relative_to(photos)) for f in files],
            "label": [f.parent.name for f in files],
        }
    ).sample(frac=1, random_state=1)
    frame.to_csv(tmp_path / "labels.csv", index=False)
    frame.to_parquet(tmp_path / "labels.parquet")
    folder = data_of(tmp_path, f"{{kind: folder, root: {photos}}}")
    for name in ("labels.csv", "labels.parquet"):
        table = data_of(tmp_path, f"{{kind: table, path: {tmp_path / name}, root: {photos}}}")
        assert table.manifest["hash"] == folder.manifest["hash"]
    other = data_of(tmp_path, f"{{kind: folder, root: {photos}}}", seed=1)
    assert other.manifest["hash"] != folder.manifest["hash"]
    triples = sorted(
        [split, hashlib.sha256(Path(path).read_bytes()).hexdigest(), label]
        for split, images in (("train", folder.fit.train), ("val", folder.fit.val))
        for path, label in zip(images.paths, images.labels, strict=True)
    )
    text = json.dumps(triples, separators=(",", ":")).encode()
    assert folder.manifest["hash"] == hashlib.sha256(text).hexdigest()


def test_a_split_is_used_again_elsewhere(photos: Path, tmp_path: Path) -> None:
    first = data_of(tmp_path, f"{{kind: folder, root: {photos}, shots: 3}}", seed=4)
    assert len(first.fit.train) == 7
    assert len(first.manifest["unused"]) == 17 - 7 - len(first.fit.val)
    file = store(tmp_path / "split.json", first)
    moved = tmp_path / "moved"
    rows = ["path,label"]
    for number, path in enumerate(sorted(photos.rglob("*.png"), reverse=True)):
        (moved / "deep").mkdir(parents=True, exist_ok=True)
        (moved / "deep" / f"{number}.bin").write_bytes(path.read_bytes())
        rows.append(f"deep/{number}.bin,{path.parent.name}")
    (moved / "labels.csv").write_text("\n".join(rows))
    val = f"{{from: train, by: stored, file: {file}}}"
    again = data_of(tmp_path, f"{{kind: table, path: {moved}/labels.csv}}", val, seed=9)
    assert contents(again.fit.train) == contents(first.fit.train)
    assert contents(again.fit.val) == contents(first.fit.val)
    assert [Path(p).read_bytes() for p in again.fit.train.paths] == [
        Path(p).read_bytes() for p in first.fit.train.paths
    ], "in the same order, so that training is the same"
    assert again.manifest["hash"] == first.manifest["hash"]
    assert again.notes[0] == f"train and val are those of {file}"
    with pytest.raises(
        RecipeError, match=r"data\.train - sampled, and a stored split - 3 - remove"
    ):
        data_of(tmp_path, f"{{kind: folder, root: {photos}, shots: 3}}", val)


def test_changes_are_refused_or_said(photos: Path, tmp_path: Path) -> None:
    first = data_of(tmp_path, f"{{kind: folder, root: {photos}}}")
    file = store(tmp_path / "split.json", first)
    gone = sorted(Path(first.fit.train.relative(i)) for i in range(3))
    for name in gone:
        (photos / name).unlink()
    Image.new("RGB", (2, 2), (99, 99, 99)).save(photos / "dog" / "new.png")
    (photos / "fox" / "0.png").rename(photos / "dog" / "was_fox.png")
    (photos / "fox").rmdir()
    images = from_folder(photos)
    with pytest.raises(SplitError) as caught:
        stored_split(file, images)
    listed = ", ".join(f"train/{name}" for name in gone)
    said = (
        f"3 are gone ({listed}); 1 is new (dog/new.png); 1 is labelled differently "
        "(dog/was_fox.png: fox, now dog)"
    )
    assert str(caught.value) == (
        f"{file} - not the images of {photos} - {said} - bring the images back, or say "
        "allow_changes: true"
    )
    assert caught.value.exit_code == 4
    train, val, notes = stored_split(file, images, allow_changes=True)
    assert notes == [
        f"train and val are those of {file}",
        f"since {file} was written, of its images {said}",
    ]
    assert contents(val) == contents(first.fit.val)
    assert len(train) == len(first.fit.train) - 3
    assert not any(path.endswith("new.png") for path in train.paths)
    assert train.labels[train.paths.index(str(photos / "dog" / "was_fox.png"))] == "dog"
    section = f"{{from: train, by: stored, file: {file}, allow_changes: true}}"
    held = data_of(tmp_path, f"{{kind: folder, root: {photos}}}", section)
    assert contents(held.fit.train) == contents(train)


def test_only_five_are_named(photos: Path, tmp_path: Path) -> None:
    data = data_of(tmp_path, f"{{kind: folder, root: {photos}}}")
    for number in range(7):
        path = photos / "cat" / f"new{number}.png"
        Image.new("RGB", (2, 2), (number, 77, 0)).save(path)
    file = store(tmp_path / "split.json", data)
    with pytest.raises(
        SplitError, match=r"7 are new \(cat/new0.png(, cat/new\d.png){4}, \.\.\.\) -"
    ):
        stored_split(file, from_folder(photos))
    for path in photos.rglob("*.png"):
        if not path.name.startswith("new"):
            path.unlink()
    for label in ("dog", "fox"):
        Image.new("RGB", (2, 2), (55, 55, 55)).save(photos / label / "new.png")
    with pytest.raises(DataError, match=r"no training images - none of its \d+ is in"):
        stored_split(file, from_folder(photos), allow_changes=True)


LABELS = ("cat", "dog", "fox")
ENTRY = st.tuples(st.sampled_from(("train", "val", "test")), st.integers(0, 6), st.integers(0, 2))


def manifest_of(rows: list[tuple[str, int, int]], prefix: str = "") -> dict[str, Any]:
    splits: dict[str, list[dict[str, str]]] = {}
    for place, (split, content, label) in enumerate(rows):
        entry = {"path": f"{prefix}{place}", "sha256": f"{content:064}", "label": LABELS[label]}
        splits.setdefault(split, []).append(entry)
    return {"format": 1, "splits": splits}


@given(st.lists(ENTRY, max_size=20), st.lists(ENTRY, max_size=20), st.randoms())
@settings(deadline=None)
def test_differences_are_exactly_those_of_the_triples(
    rows: list[tuple[str, int, int]], others: list[tuple[str, int, int]], chance: random.Random
) -> None:
    mixed = chance.sample(rows, len(rows))
    one, same, other = manifest_of(rows), manifest_of(mixed, "b/"), manifest_of(others)
    assert split_hash(one) == split_hash(same)
    assert not compare_splits(one, same)
    equal = Counter(rows) == Counter(others)
    assert (split_hash(one) == split_hash(other)) == equal
    changes = compare_splits(one, other)
    assert bool(changes) == (not equal)
    before, after = (Counter(content for _, content, _ in some) for some in (rows, others))
    assert len(changes.gone) == (before - after).total()
    assert len(changes.new) == (after - before).total()


@pytest.mark.numerical
@given(st.integers(0, 5), st.floats(0.05, 0.6), st.one_of(st.none(), st.integers(1, 4)))
@settings(deadline=None, max_examples=15)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, seed: int, fraction: float, shots: int | None
) -> None:
    root = tmp_path_factory.mktemp("round")
    for number in range(14):  # images 12 and 13 are copies of 0 and 1
        path = root / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), (number % 12, 5, 5)).save(path)
    recipe = f"{{kind: folder, root: {root}/photos{f', shots: {shots}' if shots else ''}}}"
    first = data_of(root, recipe, f"{{from: train, fraction: {fraction}}}", seed)
    file = store(root / "split.json", first)
    assert read_split(file) == first.manifest
    train, val, _ = stored_split(file, from_folder(root / "photos"))
    assert contents(train) == contents(first.fit.train)
    assert contents(val) == contents(first.fit.val)
    check_unchanged(file, first.manifest)


def test_a_run_goes_on_with_the_same_images_only(photos: Path, tmp_path: Path) -> None:
    recipe = f"{{kind: folder, root: {photos}}}"
    file = store(tmp_path / "split.json", data_of(tmp_path, recipe))
    photos.rename(tmp_path / "moved")
    (tmp_path / "moved" / "cat" / "0.png").rename(tmp_path / "moved" / "cat" / "zero.png")
    recipe = f"{{kind: folder, root: {tmp_path / 'moved'}}}"
    check_unchanged(file, data_of(tmp_path, recipe).manifest)
    (tmp_path / "moved" / "cat" / "zero.png").unlink()
    Image.new("RGB", (2, 2), (0, 0, 200)).save(tmp_path / "moved" / "cat" / "0.png")
    with pytest.raises(SplitError) as caught:
        check_unchanged(file, data_of(tmp_path, recipe).manifest)
    text = str(caught.value)
    assert text.startswith(f"{file} - the images have changed - 1 is gone (")
    assert "; 1 is new (" in text
    assert text.endswith(" - bring the images back, or begin again with --overwrite")
    assert caught.value.exit_code == 4
    assert check_unchanged(tmp_path / "none.json", {"format": 1, "splits": {}}) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "there is no 'splits'"),
        ('{"format": 2, "splits": {}}', "format 2, known is 1"),
        ('{"format": 1, "splits": {"train": 3}}', "'train' is not a list"),
        ('{"format": 1, "splits": {"train": [{"path": "a", "label": 1, "sha256": "0"}]}}',
         "entry 0 of 'train' lacks one of path, sha256, label"),
        ('{"format": 1, "splits": {}, "unused": [3]}', "entry 0 of 'unused' lacks"),
    ],
)  # fmt: skip
def test_files_that_are_none(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DataError, match=said):
        read_split(tmp_path / "split.json")


def test_an_altered_file_is_refused(photos: Path, tmp_path: Path) -> None:
    data = data_of(tmp_path, f"{{kind: folder, root: {photos}}}")
    data.manifest["splits"]["val"][0]["label"] = "wolf"
    file = store(tmp_path / "split.json", data)
    with pytest.raises(SplitError, match=r"split\.json - was altered - it says '"):
        read_split(file)
    del data.manifest["hash"]
    assert read_split(store(file, data))["splits"]["val"][0]["label"] == "wolf"


def test_images_that_need_no_table(photos: Path) -> None:
    images = from_folder(photos)
    manifest = describe_split({"train": images.subset([0, 1])}, [images])
    assert len(manifest["unused"]) == 15
    assert manifest["hash"] == split_hash(describe_split({"train": images.subset([1, 0])}, []))
    table = from_table(table_of(photos, "x", ["1"] * 17))
    assert describe_split({"train": table}, [table])["unused"] == []


def table_of(photos: Path, extra: str, values: list[str]) -> Path:
    files = sorted(photos.rglob("*.png"))
    lines = [f"path,label,{extra}"]
    for file, value in zip(files, values, strict=True):
        lines.append(f"{file.relative_to(photos)},{file.parent.name},{value}")
    (photos / "labels.csv").write_text("\n".join(lines))
    return photos / "labels.csv"
