"""Full fine-tuning with its head and without."""

import pytest

import adapt
from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from tests.helpers.tiny import bit_equal, weights
from tests.helpers.training import HEAD, QUICK, changed


@pytest.mark.numerical
def test_paint_is_full_without_the_head(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    painted = adapt.method("paint", optim=QUICK).fit(start, toy_data, context)
    full = adapt.method("full", train_head=False, optim=QUICK).fit(start, toy_data, context)
    assert bit_equal(weights(painted), weights(full))
    assert not changed(start, painted) & HEAD
    assert painted.head_from_text
