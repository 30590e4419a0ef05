"""The files of a bundle are written together or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import adapt
from adapt.errors import BundleError
from adapt.models.bundle import write
from adapt.models.bundle.manifest import ENCODERS, FILES, MANIFEST
from adapt.models.bundle.tensors import save_tensors
from adapt.models.classifier import Classifier
from tests.helpers.tiny import bit_equal, tiny_classifier, weights


def test_files(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*FILES, ENCODERS, MANIFEST])
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
    assert (manifest["format"], manifest["adapt"]) == (2, adapt.__version__)


def test_a_failed_save_leaves_the_bundle_before_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(state: Any, path: Path) -> None:
        if "head" in path.name:
            raise OSError(28, "No space left on device")
        save_tensors(state, path)

    before = weights(Classifier.load(folder))
    monkeypatch.setattr(write, "save_tensors", full)
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


def test_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"holds other files - notes\.txt"):
        tiny_classifier().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_a_killed_save_left_goes(folder: Path) -> None:
    (folder / ".12.part").mkdir()
    (folder / ".12.part" / "x").write_text("")
    tiny_classifier().save(folder)
    assert len(list(folder.iterdir())) == 5


@pytest.mark.parametrize("info", [{"a": {1, 2}}, {"a": object()}, {"a": b"x"}])
def test_info_that_json_cannot_hold(info: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="info - cannot be saved"):
        tiny_classifier().save(tmp_path / "model", info)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_not_saved(temperature: float, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="temperature"):
        tiny_classifier().with_temperature(temperature).save(tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())


def test_a_model_without_numbers_is_not_saved(folder: Path) -> None:
    before = weights(Classifier.load(folder))
    for change in ("backbone.model.visual.proj", "head.weight"):
        broken = tiny_classifier()
        with torch.no_grad():
            broken.state_dict()[change].view(-1)[0] = float("nan")
        with pytest.raises(BundleError, match="NaN or infinite") as caught:
            broken.save(folder)
        assert caught.value.exit_code == 4
    assert bit_equal(before, weights(Classifier.load(folder)))


def test_weights_that_are_too_large_for_their_answers(tmp_path: Path) -> None:
    broken = tiny_classifier()
    with torch.no_grad():
        broken.head.weight.fill_(3e38)
    with pytest.raises(BundleError) as caught:
        broken.save(tmp_path / "model")
    assert caught.value.exit_code == 4
