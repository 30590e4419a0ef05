"""The files of a bundle are written together or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

import adapt
from adapt.errors import BundleError
from adapt.models.bundle import write
from adapt.models.bundle.manifest import FILES, MANIFEST
from adapt.models.classifier import Classifier
from tests.helpers.tiny import bit_equal, tiny_classifier, weights


def test_files(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*FILES, MANIFEST])
    for path in folder.iterdir():
        start = path.read_bytes()[:64]
        if path.suffix == ".json":
            assert isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
        else:
            length = int.from_bytes(start[:8], "little")
            assert json.loads(path.read_bytes()[8 : 8 + length]), "a safetensors header is JSON"
        assert not start.startswith((b"PK", b"\x80"))
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["info"] == {"alpha": 0.3}
    assert (manifest["format"], manifest["adapt"]) == (1, adapt.__version__)


def test_a_failed_save_leaves_the_bundle_before_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(state: Any, path: Path, **_: Any) -> None:
        if "head" in Path(path).name:
            raise OSError(28, "No space left on device")
        save_file(state, path)

    before = weights(Classifier.load(folder))
    monkeypatch.setattr(write, "save_file", full)
    with pytest.raises(BundleError, match="cannot be written"):
        tiny_classifier(seed=9).save(folder)
    assert bit_equal(before, weights(Classifier.load(folder)))
    assert len(list(folder.iterdir())) == 5, "nothing half-written stays"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError) as caught:
        tiny_classifier().save(tmp_path / "file" / "model")
    assert str(caught.value).startswith(f"{tmp_path / 'file' / 'model'} - cannot be written - ")


def test_saving_over_a_bundle_replaces_it(folder: Path) -> None:
    other = tiny_classifier(seed=9)
    other.save(folder)
    assert bit_equal(weights(other), weights(Classifier.load(folder)))
