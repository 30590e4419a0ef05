"""Pixels, features and logits of a split equal those of its images one by one."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adapt.data.decoding.open import ImageError
from adapt.data.image_data import ImageData
from adapt.data.shifts.shift import Shift
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.errors import WeightsError
from adapt.methods.features.base import read_support
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features import encode as features
from adapt.training.features import views
from adapt.training.features.encode import head_logits, image_features, predict_logits, prepare
from adapt.training.runtime import placed_on
from adapt.training.settings import Runtime
from tests.helpers.tiny import CLASSES, RESNET, VIT, draw_folder, tiny_classifier

pytestmark = pytest.mark.numerical

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=4)


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    return from_folder(draw_folder(tmp_path / "own", dict.fromkeys(CLASSES, 3), seed=7))


@pytest.mark.parametrize("arch", [VIT, RESNET])
@pytest.mark.parametrize("workers", ["0", "3"])
def test_logits_equal_each_image_on_its_own(arch: str, workers: str, images: ImageList) -> None:
    classifier = tiny_classifier(arch)
    own = classifier.backbone.preprocessing
    with torch.no_grad():
        single = [classifier(own(Image.open(path).convert("RGB"))[None]) for path in images.paths]
    pixels = prepare(images, own, Runtime(workers=workers))
    assert pixels.values.shape == (9, 32, 32, 3)
    for batch_size in (1, 4, 64):
        found = predict_logits(classifier, pixels, replace(RUNTIME, batch_size=batch_size))
        np.testing.assert_allclose(found, torch.cat(single).numpy(), atol=1e-5)
    assert np.ptp(found, axis=0).min() > 1e-4, "images must be told apart"
    batch = pixels.batch(2, 3, torch.device("cpu"))
    expected = torch.stack([own(images.open(index)) for index in (2, 3, 4)])
    assert torch.equal(batch, expected)


def test_a_shifted_split_is_shifted(images: ImageList, start: Classifier) -> None:
    own = start.backbone.preprocessing
    shifted = images.with_shift(Shift("gaussian_blur", 3))
    pixels = prepare(shifted, own)
    expected = np.stack([np.asarray(own.resize(shifted.open(i))) for i in range(len(shifted))])
    assert np.array_equal(pixels.values, expected)
    assert pixels.content_hash != prepare(images, own).content_hash


def test_an_unreadable_image_is_named(images: ImageList, start: Classifier) -> None:
    Path(images.paths[4]).write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        prepare(images, start.backbone.preprocessing)
    assert images.paths[4] in str(caught.value)


def test_beyond_memory_pixels_go_to_a_file(
    images: ImageList, start: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = start.backbone.preprocessing
    inside = prepare(images, own)
    monkeypatch.setattr(features, "IN_MEMORY_BYTES", inside.values.nbytes - 1)
    outside = prepare(images, own)
    assert isinstance(outside.values, np.memmap)
    assert not isinstance(inside.values, np.memmap)
    assert np.array_equal(inside.values, outside.values)
    assert inside.content_hash == outside.content_hash
    assert np.array_equal(
        predict_logits(start, inside, RUNTIME), predict_logits(start, outside, RUNTIME)
    )
    monkeypatch.setattr(features, "IN_MEMORY_BYTES", inside.values.nbytes)
    assert not isinstance(prepare(images, own).values, np.memmap)


def stored(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()} if cache.is_dir() else set()


def test_cache_is_kept_by_content(
    images: ImageList, start: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    own = start.backbone.preprocessing
    first = image_features(start.backbone, prepare(images, own), RUNTIME, cache)
    torch.testing.assert_close(first.square().sum(1), torch.ones(9))
    (name,) = stored(cache)
    assert name.endswith(".safetensors")
    assert len(name) == 64 + len(".safetensors")

    with monkeypatch.context() as patch:  # a hit computes nothing
        patch.setattr(type(start.backbone), "encode_image", lambda *_: pytest.fail("computed"))
        again = image_features(start.clone().backbone, prepare(images, own), RUNTIME, cache)
    assert torch.equal(first, again)
    assert stored(cache) == {name}

    pixels = prepare(images, own)
    pixels.values[8, 31, 31, 2] ^= 1
    other = image_features(start.backbone, pixels, RUNTIME, cache)
    assert len(stored(cache)) == 2
    assert torch.equal(first[:8], other[:8])
    assert not torch.equal(first[8], other[8])

    changed = start.clone()
    with torch.no_grad():
        changed.backbone.model.visual.proj[0, 0] += 1e-3
    assert not torch.equal(
        first, image_features(changed.backbone, prepare(images, own), RUNTIME, cache)
    )
    assert len(stored(cache)) == 3

    brighter = replace(own, mean=[0.1, 0.2, 0.3])
    image_features(start.backbone, prepare(images, brighter), RUNTIME, cache)
    assert len(stored(cache)) == 4

    texts = start.clone()  # the text encoder has no part in image features
    with torch.no_grad():
        texts.backbone.model.text_projection.zero_()
    assert torch.equal(first, image_features(texts.backbone, prepare(images, own), RUNTIME, cache))
    assert len(stored(cache)) == 4


def test_cache_tells_activations_apart(
    images: ImageList, start: Classifier, tmp_path: Path
) -> None:
    pixels = prepare(images, start.backbone.preprocessing)
    image_features(start.backbone, pixels, RUNTIME, tmp_path / "cache")
    spec = start.backbone.spec
    start.backbone.spec = replace(spec, config={**spec.config, "quick_gelu": True})
    image_features(start.backbone, pixels, RUNTIME, tmp_path / "cache")
    assert len(stored(tmp_path / "cache")) == 2


def test_without_a_cache_nothing_is_written(
    images: ImageList, start: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    image_features(start.backbone, prepare(images, start.backbone.preprocessing), RUNTIME)
    assert not list((tmp_path / "here").iterdir())


def test_evaluation_mode(images: ImageList) -> None:
    """Batch statistics would make an image's logits depend on its neighbours."""
    classifier = tiny_classifier(RESNET).train()
    mean = classifier.backbone.model.visual.bn1.running_mean.clone()
    found = predict_logits(classifier, prepare(images, classifier.backbone.preprocessing), RUNTIME)
    assert torch.equal(classifier.backbone.model.visual.bn1.running_mean, mean)
    assert math.isfinite(float(found.sum()))
    alone = prepare(images.subset([4]), classifier.backbone.preprocessing)
    np.testing.assert_allclose(predict_logits(classifier, alone, RUNTIME)[0], found[4], atol=1e-5)


def test_head_logits(start: Classifier) -> None:
    x = torch.randn(5, 24)
    expected = x.double() @ start.head.weight.detach().double().T
    np.testing.assert_allclose(head_logits(start, x), expected.numpy(), atol=1e-5)
    assert head_logits(start, x).dtype == np.float32


def test_a_run_reads_its_support_set_once(
    toy_data: ImageData, start: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views of train and features of val are kept; the second fit encodes nothing."""
    context = Context(Runtime(accelerator="cpu", workers="0"), 3, "clip", cache=tmp_path / "cache")
    first = read_support(start, toy_data, context, views=2)
    assert first.views.shape[:2] == (2, 24)
    assert len(stored(tmp_path / "cache")) == 2
    with monkeypatch.context() as patch:
        patch.setattr(type(start.backbone), "encode_image", lambda *_: pytest.fail("computed"))
        patch.setattr(views, "encode_views", lambda *_: pytest.fail("computed"))
        again = read_support(start, toy_data, context, views=2)
    assert torch.equal(first.views, again.views)
    for changed in (replace(context, seed=4), replace(context, augmentation="strong")):
        assert not torch.equal(read_support(start, toy_data, changed, views=2).views, first.views)
    assert len(stored(tmp_path / "cache")) == 4


def test_damage_to_the_cache_costs_time_alone(tmp_path: Path) -> None:
    values = torch.arange(6.0).reshape(2, 3)
    path = tmp_path / "folder" / "kept.safetensors"
    assert torch.equal(features.kept_features(path, lambda: values), values)
    path.write_bytes(path.read_bytes()[:20])
    assert torch.equal(features.kept_features(path, lambda: values), values)
    assert torch.equal(features.kept_features(path, lambda: pytest.fail("computed")), values)
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="features are not kept - .* - set ADAPT_CACHE"):
        found = features.kept_features(tmp_path / "file" / "kept.safetensors", lambda: values)
    assert torch.equal(found, values)


def test_a_model_is_placed_for_a_while_alone() -> None:
    """It goes back, also after an error, so that models outside are all on one device."""
    moves = []

    class Spy(torch.nn.Linear):
        def to(self, *args: object, **kwargs: object) -> "Spy":
            moves.append(args[0])
            return self

    device = torch.device("meta")  # any other than the CPU; the spy moves nothing
    with placed_on(Spy(2, 2), device):
        assert moves == [device]
    assert moves == [device, torch.device("cpu")]
    with pytest.raises(KeyError), placed_on(Spy(2, 2), device):
        raise KeyError
    assert moves[2:] == [device, torch.device("cpu")]
    with placed_on(torch.nn.Identity(), device):  # nothing to move
        pass


def test_whoever_encodes_puts_the_model_back(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[torch.nn.Module] = []

    @contextmanager
    def watched(module: torch.nn.Module, device: torch.device) -> Iterator[None]:
        places.append(module)
        yield

    for owner in (features, views):
        monkeypatch.setattr(owner, "placed_on", watched)
    backbone = start.backbone
    read_support(start, toy_data, replace(context, augmentation="clip"), views=2)
    assert places == [backbone.image_encoder, backbone]
    places.clear()
    predict_logits(start, prepare(toy_data.train, backbone.preprocessing), context.runtime)
    assert places == [start, backbone]


def test_logits_that_are_not_numbers_are_not_scored() -> None:
    classifier = tiny_classifier()
    features = torch.eye(3, 24)
    assert head_logits(classifier, features).shape == (3, 3)
    features[1, 0] = float("nan")
    with pytest.raises(WeightsError, match="1 of 3 images give NaN or infinite"):
        head_logits(classifier, features)
