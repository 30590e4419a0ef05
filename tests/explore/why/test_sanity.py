"""A map that ignores the weights is caught, and one that is made of them is not."""

import numpy as np
import torch

from adapt.explore.why.sanity import randomisation_test, shuffled
from adapt.models.classifier import Classifier
from tests.helpers.tiny import tiny_classifier, weights


def test_a_map_of_the_image_alone_is_caught() -> None:
    still = np.arange(16.0).reshape(4, 4)
    assert randomisation_test(tiny_classifier(), lambda _: still) == 1.0


def test_a_map_of_the_weights_is_not() -> None:
    def regions(classifier: Classifier) -> np.ndarray:
        weight = classifier.backbone.image_encoder.conv1.weight
        return weight.detach().flatten()[:1024].reshape(32, 32).double().numpy()

    alike = randomisation_test(tiny_classifier(), regions)
    assert alike is not None
    assert alike < 0.1


def test_a_map_of_one_value_says_nothing() -> None:
    assert randomisation_test(tiny_classifier(), lambda _: np.zeros((4, 4))) is None


def test_shuffling_keeps_the_numbers_and_the_model() -> None:
    classifier = tiny_classifier()
    before = weights(classifier)
    other = shuffled(classifier, seed=1)
    own, moved = (m.backbone.image_encoder.conv1.weight.flatten() for m in (classifier, other))
    assert not torch.equal(own, moved)
    assert torch.equal(own.sort().values, moved.sort().values)
    assert all(torch.equal(before[name], value) for name, value in classifier.state_dict().items())
