"""The projection of each kind of encoder: read, written and cut off."""

from typing import Any

import pytest
import torch
from torch import nn

from adapt.errors import ModelError
from adapt.models.adapters.projection import projection_of, text_projection_of, without_projection
from adapt.models.classifier import Classifier
from tests.helpers.tiny import RESNET, TIMM, VIT, bit_equal, tiny_classifier, weights

NAME = {VIT: "proj", RESNET: "attnpool.c_proj.weight", TIMM: "head.proj.weight"}


@pytest.mark.parametrize("arch", list(NAME))
def test_pooled_features_lead_to_the_encoders_features(arch: str) -> None:
    classifier = tiny_classifier(arch)
    encoder = classifier.backbone.image_encoder
    before = weights(classifier)
    projection = projection_of(encoder)
    assert projection.parameter is encoder.get_parameter(NAME[arch])
    assert (projection.bias is not None) == (arch == RESNET)
    if projection.bias is not None:
        with torch.no_grad():
            projection.bias.normal_()
        before = weights(classifier)
    pixels = torch.randn(3, 3, *2 * (classifier.backbone.preprocessing.size,))
    with torch.no_grad():
        pooled = without_projection(encoder)(pixels)
        expected = encoder(pixels)
        assert pooled.shape == (3, projection.matrix.shape[0])
        found = pooled @ projection.matrix + (0 if projection.bias is None else projection.bias)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert bit_equal(weights(classifier), before), "the encoder itself is not cut"
    assert torch.equal(projection.live, projection.matrix)
    (gradient,) = torch.autograd.grad(projection.live.sum(), [projection.parameter])
    assert torch.equal(gradient, torch.ones_like(projection.parameter))
    other = torch.randn_like(projection.matrix)
    projection.set(other)
    assert torch.equal(projection.matrix, other)
    with torch.no_grad():
        moved = encoder(pixels) - (0 if projection.bias is None else projection.bias)
    torch.testing.assert_close(moved, pooled @ other, atol=1e-4, rtol=1e-5)


def test_projection_of_the_texts() -> None:
    model, outer = tiny_classifier().backbone.model, nn.Module()
    outer.text = model  # as models with a text encoder of another kind have it
    for whole in (model, outer):
        found = text_projection_of(whole)
        assert found is not None
        assert found.parameter is model.text_projection
        assert found.live.shape == (16, 24)
    model.text_projection = None
    assert text_projection_of(outer) is None
    layer = nn.Linear(16, 24, bias=False)
    for name in ("text_projection", "proj"):
        outer.text = nn.ModuleDict({name: layer})
        found = text_projection_of(outer)
        assert found is not None
        assert torch.equal(found.live, layer.weight.T)


def test_encoders_without_a_projection_are_refused(start: Classifier) -> None:
    encoder: Any = start.clone().backbone.image_encoder
    encoder.proj = None
    timm: Any = tiny_classifier(TIMM).backbone.image_encoder
    timm.head = nn.Sequential()
    for cut in (encoder, timm):
        with pytest.raises(ModelError, match="no linear projection at the end"):
            projection_of(cut)
        with pytest.raises(ModelError, match=type(cut).__name__):
            without_projection(cut)
