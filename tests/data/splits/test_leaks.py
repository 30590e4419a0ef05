"""Images whose bytes stand in two splits, or under two labels, are told by content."""

import hashlib
import json
from pathlib import Path

from adapt.common.content import content_hash
from adapt.data.splits.leaks import conflicting_files, shared_files
from adapt.data.splits.stored import split_manifest
from tests.helpers.image_fixtures import folder


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
