"""The key of what is kept: every file that an answer depends on changes it."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

import adapt.checks.cache as check_cache
import adapt.checks.check as check_data
import adapt.checks.findings.measure as pictures
from adapt.checks import cache
from adapt.checks.check import check
from adapt.common.cache import cache_folder
from adapt.data.sources.folders import from_folder
from adapt.models.backbones import Backbone, load_backbone
from adapt.training.features import store as features_store
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.features.store import FeatureStore
from adapt.training.settings import Runtime
from tests.helpers.planted import clean, draw, planted
from tests.helpers.tiny import VIT

ROOM = Path(cache.__file__).parent


def test_the_key_is_made_of_files_that_exist() -> None:
    """A key of paths that lead nowhere would serve old answers after a move."""
    for module in (*cache.DECODER, *cache.MEASURES, *cache.CHECKS):
        assert cache.source_files(module)
    assert set(cache.source_files("adapt.checks")) == set(ROOM.rglob("*.py"))
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        cache.source_files("adapt.nowhere")


def test_a_new_changed_or_renamed_file_changes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.copytree(ROOM, tmp_path / "room")
    monkeypatch.syspath_prepend(tmp_path)

    def key() -> str:
        return cache.source_hash(["room"])

    keys = [key()]
    (room / "findings" / "new.py").write_text("")
    keys.append(key())
    (room / "findings" / "new.py").write_text("EDGE = 3")
    keys.append(key())
    (room / "findings" / "new.py").rename(room / "findings" / "newer.py")
    keys.append(key())
    assert len(set(keys)) == 4
    (room / "findings" / "newer.py").unlink()
    assert key() == keys[0]


def test_an_answer_is_kept_by_the_code_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.answer_path("question")
    assert cache.answer_path("question") == before
    monkeypatch.setattr(cache, "CHECKS", cache.CHECKS[1:])
    assert cache.answer_path("question") != before


def test_the_code_of_measurements_is_listed() -> None:
    """Measurements are kept by the files that make them, and by what these import."""
    listed = {
        path for name in (*cache.DECODER, *cache.MEASURES) for path in cache.source_files(name)
    }
    for path in cache.source_files(cache.MEASURES[0]) + cache.source_files(cache.MEASURES[1]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if name.startswith("adapt.") and not name.startswith("adapt.common"):
                assert set(cache.source_files(name)) <= listed, name


def test_the_code_of_the_probe_is_listed() -> None:
    """Answers are kept by the files of the fit that they rest on."""
    listed = {path for name in cache.CHECKS for path in cache.source_files(name)}
    for path in cache.source_files("adapt.training.logistic"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if name.startswith("adapt.training"):
                assert set(cache.source_files(name)) <= listed, name


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("decoded again")


def test_a_second_call_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = planted(tmp_path / "photos")
    first = check(root, model=VIT, pretrained="random", out=tmp_path / "one")
    monkeypatch.setattr(pictures, "inspect_image", refuse)
    monkeypatch.setattr("adapt.checks.record.open_image", refuse)
    monkeypatch.setattr("adapt.models.backbones.load_backbone", refuse)
    second = check(root, model=VIT, pretrained="random", out=tmp_path / "two")
    assert second == first
    for name in ("check.json", "check.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_moved_folder_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = check(planted(tmp_path / "photos"), model=VIT, pretrained="random")
    shutil.move(tmp_path / "photos", tmp_path / "moved")
    monkeypatch.setattr(pictures, "inspect_image", refuse)
    monkeypatch.setattr("adapt.models.backbones.load_backbone", refuse)
    second = check(tmp_path / "moved", model=VIT, pretrained="random")
    assert [one.places for one in second.findings] == [one.places for one in first.findings]
    assert second.content["leak_free"] == first.content["leak_free"]


def test_only_what_is_new_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = clean(tmp_path / "photos")
    check(root, model=None)
    draw(root / "train/cat/new.png", 99)
    seen: list[str] = []
    real = pictures.inspect_image
    monkeypatch.setattr(pictures, "inspect_image", lambda path: (seen.append(path), real(path))[1])
    check(root, model=None)
    assert [Path(path).name for path in seen] == ["new.png"]


def test_features_are_those_that_a_run_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run has encoded is not encoded again, nor what a check has; the bits are the same."""
    images = from_folder(clean(tmp_path / "photos") / "train")
    backbone, runtime = load_backbone(VIT, "random"), Runtime()
    pixels = prepare(images, backbone.preprocessing)
    half = list(range(0, len(images), 2))
    by_run = FeatureStore(cache_folder("features"))
    first = by_run.features(backbone, pixels.subset(half), runtime)
    counts: list[int] = []
    original = features_store.encoded_batches

    def counted(backbone: Backbone, pixels: Pixels, *more: Any) -> Iterator[Tensor]:
        counts.append(len(pixels))
        return original(backbone, pixels, *more)

    monkeypatch.setattr(features_store, "encoded_batches", counted)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    paths = [str(broken), *images.paths]
    hashes, steps = check_data.known_hashes(paths), check_cache.Progress(None)
    judge = check_data.Model(VIT, "random")
    measured = check_cache.measured(paths, hashes, judge.encoder, steps)
    assert counts == [len(images) - len(half)]
    assert measured.features is not None
    assert not measured.features[0].any(), "an image that cannot be read"
    own = measured.features[1:]
    np.testing.assert_array_equal(own[half], first.numpy())
    expected = image_features(backbone, prepare(images, backbone.preprocessing), runtime)
    np.testing.assert_allclose(own, expected.numpy(), atol=1e-5)
    later = FeatureStore(cache_folder("features")).features(backbone, pixels, runtime)
    np.testing.assert_array_equal(later.numpy(), own)
    monkeypatch.setattr("adapt.models.backbones.load_backbone", refuse)
    monkeypatch.setattr(pictures, "inspect_image", refuse)
    again = check_cache.measured(paths[1:], hashes[1:], judge.encoder, steps)
    assert again.features is not None
    np.testing.assert_array_equal(again.features, own)
    assert len(counts) == 1


def test_weights_that_changed_behind_their_name_are_encoded_again(tmp_path: Path) -> None:
    """The name of the weights in the store is looked at again where anything is to be encoded."""
    images = from_folder(clean(tmp_path / "photos") / "train")
    hashes, steps = check_data.known_hashes(images.paths), check_cache.Progress(None)

    def features(count: int, seed: int) -> np.ndarray:
        encoder = check_cache.Encoder("same", lambda: load_backbone(VIT, "random", seed))
        own = check_cache.measured(images.paths[:count], hashes[:count], encoder, steps).features
        assert own is not None
        return own

    before, after = features(4, 0), features(6, 1)
    assert not np.allclose(before, after[:4], atol=1e-3)
    backbone = load_backbone(VIT, "random", 1)
    pixels = prepare(images.subset(range(6)), backbone.preprocessing)
    expected = image_features(backbone, pixels, Runtime())
    np.testing.assert_allclose(after, expected.numpy(), atol=1e-5)


def test_a_damaged_cache_is_made_again(tmp_path: Path, own_cache: Path) -> None:
    root = clean(tmp_path / "photos")
    first = check(root, model=VIT, pretrained="random").content
    for path in own_cache.rglob("*.*"):
        if path.is_file():
            path.write_bytes(b"\x00damaged")
    assert check(root, model=VIT, pretrained="random").content == first
