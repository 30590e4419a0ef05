"""Batch-norm statistics measured anew, against PyTorch's own and against plain sums."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from adapt.data.image_data import ImageData
from adapt.ensembling.line import mix, refresh_of, unchanged
from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.features.batch_norm import measure_batch_norms
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import RESNET, bit_equal, moved, tiny_classifier, weights

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=8)


def statistics(classifier: Classifier) -> dict[str, torch.Tensor]:
    return {n: v for n, v in weights(classifier).items() if ".running_" in n}


def test_equal_batches_give_what_swa_gives(toy_data: ImageData) -> None:
    """24 images in three batches of eight: `update_bn` averages over batches."""
    classifier = tiny_classifier(RESNET)
    expected, before = classifier.clone(), weights(classifier)
    pixels = prepare(toy_data.train, classifier.backbone.preprocessing, RUNTIME)
    batches = list(pixels.batches(8, torch.device("cpu")))
    update_bn(batches, expected.backbone.image_encoder)
    measured = measure_batch_norms(classifier, pixels, RUNTIME)
    for name, value in statistics(expected).items():
        torch.testing.assert_close(statistics(measured)[name], value, rtol=1e-4, atol=1e-6)
        assert not torch.equal(value, before[name])
    others = [name for name in before if ".running_" not in name and "tracked" not in name]
    assert all(torch.equal(weights(measured)[name], before[name]) for name in others)
    norms = [m for m in measured.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.momentum == 0.1 and not norm.training for norm in norms)


@torch.no_grad()
def test_a_smaller_last_batch_counts_by_its_images(toy_data: ImageData) -> None:
    """The first norm sees the same whatever the others do: its mean is that of all images."""
    classifier = tiny_classifier(RESNET)
    pixels = prepare(toy_data.train, classifier.backbone.preprocessing, RUNTIME)
    measured = measure_batch_norms(classifier, pixels, Runtime("cpu", workers="0", batch_size=10))
    encoder = classifier.backbone.image_encoder
    entering = encoder.conv1(next(pixels.batches(24, torch.device("cpu")))).double()
    parts = entering.split(10)
    means = sum(len(part) * part.mean((0, 2, 3)) for part in parts) / 24
    variances = sum(len(part) * part.transpose(0, 1).flatten(1).var(1) for part in parts) / 24
    norm = measured.backbone.image_encoder.bn1
    torch.testing.assert_close(norm.running_mean.double(), means, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(norm.running_var.double(), variances, rtol=1e-4, atol=1e-6)


def test_a_mix_is_measured_between_its_ends(toy_data: ImageData) -> None:
    start = tiny_classifier(RESNET)
    tuned = moved(start)
    refresh = refresh_of("reestimate", start, toy_data.train, RUNTIME)
    assert bit_equal(weights(mix(start, tuned, 0, refresh=refresh)), weights(start))
    assert bit_equal(weights(mix(start, tuned, 1, refresh=refresh)), weights(tuned))
    averaged, measured = mix(start, tuned, 0.5), mix(start, tuned, 0.5, refresh=refresh)
    for name, value in weights(averaged).items():
        if ".running_" in name:
            middle = (weights(start)[name] + weights(tuned)[name]) / 2
            torch.testing.assert_close(value, middle, rtol=1e-5, atol=1e-7)
            assert not torch.allclose(value, weights(measured)[name], rtol=1e-3)
        elif "tracked" not in name:
            assert torch.equal(value, weights(measured)[name])
    pixels = prepare(toy_data.train, start.backbone.preprocessing, RUNTIME)
    again = measure_batch_norms(averaged, pixels, RUNTIME)
    assert bit_equal(weights(again), weights(measured))


def test_without_batch_norms_it_is_refused(start: Classifier, toy_data: ImageData) -> None:
    assert refresh_of("average", start, toy_data.train, RUNTIME) is unchanged
    message = r"ensemble\.batch_norm - no effect - the image encoder of test-tiny-vit has no batch"
    with pytest.raises(ModelError, match=message):
        refresh_of("reestimate", start, toy_data.train, RUNTIME)
