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

from adapt.data.image_data import ImageData
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.errors import RunError, WeightsError
from adapt.methods.features.base import read_support
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features import encode as features
from adapt.training.features import views
from adapt.training.features.encode import head_logits, predict_logits, through
from adapt.training.features.pixels import prepare
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
    for batch_size in (1, 4, 64):
        found = predict_logits(classifier, pixels, replace(RUNTIME, batch_size=batch_size))
        np.testing.assert_allclose(found, torch.cat(single).numpy(), atol=1e-5)
    assert np.ptp(found, axis=0).min() > 1e-4, "images must be told apart"


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
    np.testing.assert_allclose(head_logits(start.head, x), expected.numpy(), atol=1e-5)
    assert head_logits(start.head, x).dtype == np.float32


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
    assert head_logits(classifier.head, features).shape == (3, 3)
    features[1, 0] = float("nan")
    with pytest.raises(WeightsError, match="1 of 3 images give NaN or infinite"):
        head_logits(classifier.head, features)


def test_a_batch_that_does_not_fit_names_the_setting() -> None:
    def fails(_: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    batches = [torch.zeros(64, 3, 8, 8)]
    with pytest.raises(RunError, match=r"^encoding images - out of memory - 64 at once: CUDA out"):
        list(through(fails, batches, torch.device("cpu"), "32", 1))
    with pytest.raises(RunError, match=r"set runtime.batch_size=16, or take a smaller model$"):
        list(through(fails, batches, torch.device("cpu"), "32", 1))
