"""Features around text directions, and what the estimator says of wrong ones."""

import numpy as np
import pytest

from adapt.errors import AdaptError
from adapt.methods.estimator.classifier import FewShotClassifier

WIDTH, LABELS = 16, ["ant", "bee", "cat", "dog"]


def sample(count: int, seed: int, noise: float = 0.25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features near one direction for each class; the text directions lie beside them."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    means = fixed.normal(size=(len(LABELS), WIDTH))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    text = means + 0.15 * fixed.normal(size=means.shape)
    targets = np.repeat(np.arange(len(LABELS)), count)
    features = means[targets] + noise * random.normal(size=(len(targets), WIDTH))
    return features, np.array(LABELS)[targets], text / np.linalg.norm(text, axis=1, keepdims=True)


def wrong(x: object, y: object, text: object, **settings: object) -> str:
    with pytest.raises(AdaptError) as caught:
        FewShotClassifier(text_features=text, **settings).fit(x, y)  # type: ignore[arg-type]
    return str(caught.value)
