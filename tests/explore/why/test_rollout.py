"""Attention rollout against the weights that PyTorch's attention returns."""

import numpy as np
import pytest
import torch

from adapt.errors import ModelError
from adapt.explore.why.rollout import attention_rollout
from tests.helpers.tiny import RESNET, VIT, tiny_classifier


def test_equals_the_weights_of_pytorch() -> None:
    classifier = tiny_classifier(VIT)
    encoder = classifier.backbone.image_encoder
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    hidden = encoder._embeds(pixels)
    flow = np.eye(17)
    with torch.no_grad():
        for block in encoder.transformer.resblocks:
            normed = block.ln_1(hidden)
            _, heads = block.attn(
                normed, normed, normed, need_weights=True, average_attn_weights=False
            )
            flow = 0.5 * (heads[0].mean(0).double().numpy() + np.eye(17)) @ flow
            hidden = block(hidden)
    assert attention_rollout(classifier, pixels) == pytest.approx(
        flow[0, 1:].reshape(4, 4), rel=1e-4
    )


def test_all_that_reaches_the_feature_is_one() -> None:
    classifier = tiny_classifier(VIT, seed=3)
    drawn = attention_rollout(classifier, torch.zeros(1, 3, 32, 32))
    assert drawn.min() >= 0
    assert 0 < drawn.sum() < 1  # the rest comes from the class token itself


def test_others_are_refused() -> None:
    with pytest.raises(ModelError, match="not a transformer of open_clip"):
        attention_rollout(tiny_classifier(RESNET), torch.zeros(1, 3, 32, 32))
