"""Grad-CAM against gradients that are computed another way."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from adapt.errors import ModelError
from adapt.explore.why.grad_cam import grad_cam
from adapt.models.adapters.cut import Cut
from adapt.models.classifier import Classifier
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier


def image(classifier: Classifier, seed: int = 0) -> torch.Tensor:
    side = classifier.backbone.preprocessing.size
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def margin(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 0] - logits[:, 2]


def by_hand(activation: torch.Tensor, value: torch.Tensor) -> np.ndarray:
    """Of activations (G, G, C) that require gradients."""
    (slope,) = torch.autograd.grad(value, activation)
    total = np.zeros(activation.shape[:2])
    for channel in range(activation.shape[-1]):
        weight = float(slope[..., channel].mean())
        total += weight * activation[..., channel].detach().double().numpy()
    return total.clip(min=0)


def test_a_transformer() -> None:
    classifier = tiny_classifier(VIT)
    pixels, encoder = image(classifier), classifier.backbone.image_encoder
    cut = Cut(1)
    tokens = cut.before(encoder, pixels).detach()
    grid = tokens[0, 1:].reshape(4, 4, -1).requires_grad_()
    hidden = torch.cat([tokens[:, :1], grid.reshape(1, 16, -1)], dim=1)
    features = functional.normalize(cut.after(encoder, hidden), dim=-1)
    expected = by_hand(grid, margin(classifier.head(features))[0])
    assert expected.max() > 0
    assert grad_cam(classifier, pixels, margin) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_a_convolutional_network() -> None:
    classifier = tiny_classifier(RESNET)
    pixels, encoder = image(classifier), classifier.backbone.image_encoder
    before = encoder.stem(pixels)
    for layer in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
        before = layer(before)
    if before.shape[-1] == 1:  # 32 pixels leave one region there: the map is of an earlier layer
        drawn = grad_cam(classifier, pixels, margin)
        assert drawn.shape[0] == drawn.shape[1] > 1
        return
    grid = before[0].movedim(0, -1).detach().requires_grad_()
    features = functional.normalize(encoder.attnpool(grid.movedim(-1, 0)[None]), dim=-1)
    expected = by_hand(grid, margin(classifier.head(features))[0])
    assert grad_cam(classifier, pixels, margin) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_a_transformer_of_timm() -> None:
    classifier = tiny_classifier(TIMM)
    drawn = grad_cam(classifier, image(classifier), margin)
    assert drawn.shape == (10, 10)
    assert drawn.min() >= 0


def test_nothing_is_left_behind() -> None:
    classifier = tiny_classifier(VIT)
    pixels = image(classifier)
    before = classifier(pixels)
    grad_cam(classifier, pixels, margin)
    assert torch.equal(classifier(pixels), before)
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_an_encoder_without_regions_is_refused() -> None:
    classifier = tiny_classifier(VIT)

    class Flat(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1)[:, :24]

    classifier.backbone.model.visual = Flat()
    with pytest.raises(ModelError, match="no regions"):
        grad_cam(classifier, image(classifier), margin)
