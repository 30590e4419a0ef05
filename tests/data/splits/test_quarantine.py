"""Bad images are found by decoding, listed by reason, and never more than the limit."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from adapt.common.content import content_hash
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.quarantine import (
    Quarantined,
    conflicting_files,
    quarantine,
    shared_files,
    split_manifest,
)
from adapt.errors import DataError


def folder(root: Path, names: list[str], shade: int = 0) -> ImageList:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, shade, 0)).save(path)
    return from_folder(root)


def test_all_good(tmp_path: Path) -> None:
    images = folder(tmp_path, ["cat/1.png", "dog/1.png"])
    assert quarantine(images) == (images, [])


def test_bad_ones_are_set_aside(tmp_path: Path) -> None:
    folder(tmp_path, ["cat/1.png", "dog/1.png", "dog/2.jpg"])
    (tmp_path / "cat" / "empty.png").write_bytes(b"")
    half = (tmp_path / "dog" / "2.jpg").read_bytes()
    (tmp_path / "dog" / "2.jpg").write_bytes(half[: len(half) - 40])
    (tmp_path / "fox").mkdir()
    (tmp_path / "fox" / "text.jpg").write_text("hello")
    images = from_folder(tmp_path)
    good, bad = quarantine(images, limit=0.6)
    assert good.labels == ["cat", "dog"]
    assert bad == [
        Quarantined(f"{tmp_path}/cat/empty.png", "empty file"),
        Quarantined(f"{tmp_path}/dog/2.jpg", "damaged or truncated image"),
        Quarantined(f"{tmp_path}/fox/text.jpg", "not an image"),
    ]
    assert good.notes == [
        "3 of 5 images cannot be read and were left out",
        "classes without a readable image: fox",
    ]
    assert images.notes == []
    with pytest.raises(DataError) as caught:
        quarantine(images)
    assert str(caught.value) == (
        f"{tmp_path} - too many unreadable images - 3 of 5 (limit 1 %): cat/empty.png (empty "
        "file); dog/2.jpg (damaged or truncated image); fox/text.jpg (not an image) - repair or "
        "remove them, or raise the limit"
    )
    assert caught.value.exit_code == 3


def test_limit_is_exact(tmp_path: Path) -> None:
    images = folder(tmp_path, [f"cat/{number:03}.png" for number in range(100)])
    (tmp_path / "cat" / "000.png").write_bytes(b"")
    assert len(quarantine(images, 0.01)[0]) == 99
    (tmp_path / "cat" / "001.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 100 \(limit 1 %\)"):
        quarantine(images, 0.01)


def test_manifest(tmp_path: Path) -> None:
    train = folder(tmp_path / "train", ["cat/1.png", "dog/1.png"])
    test = folder(tmp_path / "test", ["cat/x.png", "dog/2.png", "dog/3.png"])
    manifest = split_manifest({"train": train, "val": train.subset([0]), "test": test})
    assert json.loads(json.dumps(manifest)) == manifest
    digest = hashlib.sha256((tmp_path / "train/cat/1.png").read_bytes()).hexdigest()
    assert content_hash(tmp_path / "train/cat/1.png") == digest
    first = {"path": "cat/1.png", "sha256": digest, "label": "cat"}
    assert manifest["splits"]["train"][0] == manifest["splits"]["val"][0] == first
    leaks = shared_files(manifest)
    assert [leak.places for leak in leaks] == [
        (("train", "cat/1.png", "cat"), ("val", "cat/1.png", "cat"), ("test", "cat/x.png", "cat")),
        (("train", "dog/1.png", "dog"), ("test", "dog/2.png", "dog")),
    ]
    assert conflicting_files(manifest) == []
    clean = split_manifest({"train": train, "val": train.subset([0])})
    assert shared_files(clean) == []


def test_conflicting_labels(tmp_path: Path) -> None:
    images = folder(tmp_path, ["cat/1.png", "dog/1.png"])
    (tmp_path / "dog/1.png").write_bytes((tmp_path / "cat/1.png").read_bytes())
    (conflict,) = conflicting_files(split_manifest({"train": images}))
    assert conflict.places == (("train", "cat/1.png", "cat"), ("train", "dog/1.png", "dog"))
