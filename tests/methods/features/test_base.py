"""What the heads share: their features, what trains, and what is refused."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from adapt.data.image_data import ImageData
from adapt.methods.features.base import HeadMethod, read_support
from adapt.methods.features.support import Support
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.training.context import Context
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare


@dataclass
class Doubled(HeadMethod):
    """Twice the zero-shot head."""

    fits_bias = False
    views: int = 1

    def head(self, support: Support) -> nn.Linear:
        return linear_head(2 * support.zero_shot)


def test_the_fitted_head_is_put_on_a_copy(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    fitted = Doubled().fit(start, toy_data, context)
    assert torch.equal(fitted.head.weight, 2 * start.head.weight)
    assert not fitted.head_from_text
    assert start.head_from_text


@pytest.mark.parametrize("bias", [True, False])
def test_the_head_alone_trains(bias: bool, start: Classifier) -> None:
    method = Doubled()
    method.fits_bias = bias  # type: ignore[misc]
    prepared = method.prepare(start)
    trains = {name for name, p in prepared.named_parameters() if p.requires_grad}
    assert trains == {"head.weight", "head.bias"} if bias else {"head.weight"}


def test_views_are_checked_in_every_head() -> None:
    with pytest.raises(ValueError, match=r"^views - out of range - 0 - give 1 or more, at most"):
        Doubled(views=0)


def test_the_support_says_what_the_classifier_says(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    support = read_support(start, toy_data, context)
    pixels = prepare(toy_data.train, start.backbone.preprocessing)
    expected = predict_logits(start, pixels, context.runtime)
    np.testing.assert_allclose(support.features @ support.zero_shot.T, expected, atol=1e-4)
    assert support.targets.tolist() == toy_data.train.targets(start.class_names).tolist()
    assert support.val is not None
    assert toy_data.val is not None
    assert support.val[1].tolist() == toy_data.val.targets(start.class_names).tolist()


def test_without_augmentation_all_views_would_be_the_same(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    own = replace(context, augmentation="clip", seed=3)
    varied = read_support(start, toy_data, own, views=2)
    assert varied.views.shape[0] == 2
    assert not torch.equal(varied.views[0], varied.views[1])
    plain = read_support(start, toy_data, replace(own, augmentation="none"), views=2)
    assert plain.views.shape[0] == 1
