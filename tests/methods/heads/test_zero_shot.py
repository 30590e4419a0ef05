"""Zero-shot trains nothing."""

import adapt
from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from tests.helpers.tiny import bit_equal, weights


def test_it_is_a_copy_of_the_start(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    method = adapt.method("zero_shot")
    assert not any(p.requires_grad for p in method.prepare(start).parameters())
    same = method.fit(start, toy_data, context)
    assert same is not start
    assert bit_equal(weights(same), weights(start))
    assert same.head_from_text == start.head_from_text
