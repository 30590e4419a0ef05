"""What a model says, as numbers and verdicts."""

import numpy as np
from scipy.special import softmax

from adapt.export.answers import answers_of
from adapt.models.classifier import Classifier
from tests.helpers.exports import noise


def test_probabilities_are_those_of_the_features(model: Classifier) -> None:
    answers = answers_of(model, noise(6))
    np.testing.assert_allclose(np.linalg.norm(answers.features, axis=1), 1, atol=1e-6)
    weight, bias = (value.detach().numpy() for value in (model.head.weight, model.head.bias))
    logits = answers.features @ weight.T + bias
    wanted = softmax(logits.astype(np.float64) / model.temperature, axis=1)
    np.testing.assert_allclose(answers.probabilities, wanted, atol=1e-6)
    wanted = model.temperature * np.log(np.exp(logits / model.temperature).sum(1))
    np.testing.assert_allclose(answers.unknown_score, wanted, rtol=1e-5)
