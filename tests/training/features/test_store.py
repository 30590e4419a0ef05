"""Features are computed once, kept by what they were made of, and bit-equal when they come back."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.data.shifts.shift import Shift
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.methods.features.base import read_support
from adapt.models.adapters.cut import Cut
from adapt.models.backbones import Backbone
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features import pixels as pixels_module
from adapt.training.features import store as module
from adapt.training.features import views
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.features.store import FeatureStore
from adapt.training.settings import Runtime
from tests.helpers.tiny import CLASSES, draw_folder

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=4)
Get = Callable[..., torch.Tensor]


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    return from_folder(draw_folder(tmp_path / "own", dict.fromkeys(CLASSES, 3), seed=7))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of images that were encoded."""
    counts: list[int] = []
    original = module.encoded_batches

    def counted(backbone: Backbone, pixels: Pixels, *more: object) -> object:
        counts.append(len(pixels))
        return original(backbone, pixels, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "encoded_batches", counted)
    return counts


def shards(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


@pytest.mark.parametrize("on_disk", [False, True])
def test_each_image_is_encoded_once(
    on_disk: bool, images: ImageList, start: Classifier, tmp_path: Path, encoded: list[int]
) -> None:
    own, backbone = start.backbone.preprocessing, start.backbone
    store = FeatureStore(tmp_path / "cache" if on_disk else None)
    expected = image_features(backbone, prepare(images, own), RUNTIME)
    first = store.features(backbone, prepare(images.subset([3, 1, 4]), own), RUNTIME)
    torch.testing.assert_close(first, expected[[3, 1, 4]], atol=1e-6, rtol=1e-5)
    whole = store.features(backbone, prepare(images, own), RUNTIME)
    assert encoded == [3, 6], "the rest alone"
    assert torch.equal(whole[[3, 1, 4]], first)
    torch.testing.assert_close(whole, expected, atol=1e-6, rtol=1e-5)
    assert torch.equal(store.features(backbone, prepare(images, own), RUNTIME), whole)
    assert whole.requires_grad is False
    (whole.clone().requires_grad_() ** 2).sum().backward()  # no tensor of inference mode
    assert encoded == [3, 6]
    assert len(shards(tmp_path / "cache")) == (2 if on_disk else 0)
    if on_disk:
        other = FeatureStore(tmp_path / "cache")
        again = other.features(start.clone().backbone, prepare(images, own), RUNTIME)
        assert torch.equal(again, whole)
        assert encoded == [3, 6]


def test_what_features_depend_on(images: ImageList, start: Classifier, encoded: list[int]) -> None:
    own, store = start.backbone.preprocessing, FeatureStore()

    def get(model: Classifier, given: ImageList = images, **more: object) -> torch.Tensor:
        pixels = prepare(given, replace(own, **more))  # type: ignore[arg-type]
        return store.features(model.backbone, pixels, RUNTIME)

    first = get(start)
    assert encoded == [9]
    texts = start.clone()  # the text encoder has no part in image features
    with torch.no_grad():
        texts.backbone.model.text_projection.zero_()
    assert torch.equal(get(texts), first)
    assert encoded == [9]
    changed = start.clone()
    with torch.no_grad():
        changed.backbone.model.visual.proj[0, 0] += 1e-3
    assert not torch.equal(get(changed), first)
    with torch.no_grad():  # the hash of a model is taken again once it was written to
        changed.backbone.model.visual.proj[0, 0] += 1e-3
    get(changed)
    get(start, mean=[0.1, 0.2, 0.3])
    get(start, images.with_shift(Shift("gaussian_blur", 3)))
    spec = start.backbone.spec
    start.backbone.spec = replace(spec, config={**spec.config, "quick_gelu": True})
    get(start)
    store.features(start.backbone, prepare(images, own), RUNTIME, "bf16")
    assert encoded == [9] * 7


def test_a_run_that_was_killed_goes_on_after_its_last_shard(
    images: ImageList, start: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    encoded: list[int],
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "SHARD_IMAGES", 4)
    pixels = prepare(images, start.backbone.preprocessing)
    original, calls = Backbone.encode_image, []

    def fails(self: Backbone, batch: torch.Tensor) -> torch.Tensor:
        calls.append(len(batch))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Backbone, "encode_image", fails)
        with pytest.raises(KeyboardInterrupt):
            FeatureStore(tmp_path / "cache").features(start.backbone, pixels, RUNTIME)
    assert len(shards(tmp_path / "cache")) == 2
    FeatureStore(tmp_path / "cache").features(start.backbone, pixels, RUNTIME)
    assert encoded == [9, 1]


def test_damage_costs_time_alone(
    images: ImageList, start: Classifier, tmp_path: Path, encoded: list[int]
) -> None:
    pixels = prepare(images, start.backbone.preprocessing)
    first = FeatureStore(tmp_path / "cache").features(start.backbone, pixels, RUNTIME)
    (shard,) = shards(tmp_path / "cache")
    shard.write_bytes(shard.read_bytes()[:20])
    again = FeatureStore(tmp_path / "cache").features(start.backbone, pixels, RUNTIME)
    assert torch.equal(first, again)
    assert encoded == [9, 9]
    FeatureStore(tmp_path / "cache").features(start.backbone, pixels, RUNTIME)
    assert encoded == [9, 9], "written again"
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="features are not kept - .* - set ADAPT_CACHE"):
        other = FeatureStore(tmp_path / "file").features(start.backbone, pixels, RUNTIME)
    assert torch.equal(first, other)


def test_the_folder_is_bounded(
    images: ImageList, start: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, folder = start.backbone.preprocessing, tmp_path / "cache"
    FeatureStore(folder).features(start.backbone, prepare(images.subset([0]), own), RUNTIME)
    (oldest,) = shards(folder)
    os.utime(oldest, (1, 1))
    monkeypatch.setenv("ADAPT_CACHE_GB", str(1.5 * oldest.stat().st_size / 1e9))
    FeatureStore(folder).features(start.backbone, prepare(images.subset([1]), own), RUNTIME)
    assert len(shards(folder)) == 1
    assert not oldest.exists()


def test_a_run_reads_its_support_set_once(
    toy_data: ImageData, start: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views of train and features of val are kept; the second fit encodes nothing."""
    runtime = Runtime(accelerator="cpu", workers="0")
    context = Context(runtime, 3, "clip", store=FeatureStore(tmp_path / "cache"))
    first = read_support(start, toy_data, context, views=2)
    assert first.views.shape[:2] == (2, 24)
    assert len(shards(tmp_path / "cache")) == 2
    later = replace(context, store=FeatureStore(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(type(start.backbone), "encode_image", lambda *_: pytest.fail("computed"))
        patch.setattr(views, "encode_views", lambda *_: pytest.fail("computed"))
        again = read_support(start, toy_data, later, views=2)
    assert torch.equal(first.views, again.views)
    for changed in (replace(context, seed=4), replace(context, augmentation="strong")):
        assert not torch.equal(read_support(start, toy_data, changed, views=2).views, first.views)
    assert len(shards(tmp_path / "cache")) == 4


def test_activations_at_a_cut_hold_beyond_the_run(
    images: ImageList, start: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the weights before the cut alone, within the memory that is left, in small shards."""
    monkeypatch.setattr(module, "SHARD_BYTES", 1)  # after each batch
    cut, own = Cut(1), start.backbone.preprocessing
    pixels, folder = prepare(images, own), tmp_path / "cache"
    whole = torch.stack([own(images.open(row)) for row in range(len(images))])
    with torch.no_grad():
        expected = cut.before(start.backbone.image_encoder, whole)

    def get(model: Classifier, precision: str = "32") -> torch.Tensor | None:
        batches = FeatureStore(folder).activations(cut, model.backbone, pixels, RUNTIME, precision)
        return None if batches is None else torch.cat(list(batches))

    first = get(start)
    torch.testing.assert_close(first, expected, atol=1e-5, rtol=1e-5)
    assert len(shards(folder)) == 3, "batches of 4, 4 and 1"
    behind, before = start.clone(), start.clone()
    with torch.no_grad():
        behind.backbone.model.visual.proj.add_(0.1)
        behind.backbone.model.visual.transformer.resblocks[1].ln_1.weight.add_(0.1)
        before.backbone.model.visual.transformer.resblocks[0].ln_1.weight.add_(0.1)
    with monkeypatch.context() as patch:
        patch.setattr(Cut, "before", lambda *_: pytest.fail("computed"))
        assert torch.equal(get(behind), first)
    assert not torch.equal(get(before), first)
    assert not torch.equal(get(start, "bf16"), first)
    monkeypatch.setattr(pixels_module.BUDGET, "left", 0)
    assert torch.equal(get(start), first), "what is known takes no room"
    changed = before.clone()
    with torch.no_grad():
        changed.backbone.model.visual.conv1.weight.mul_(2)
    assert get(changed) is None
