"""Statistics of held-out images, from logits."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from adapt.errors import DataError
from adapt.evaluation.unlabelled.reference import kept_features, points_to_keep, reference_of
from adapt.models.bundle.reference import MOST_IMAGES, Reference

pytestmark = pytest.mark.numerical


def test_what_is_kept() -> None:
    generator = np.random.default_rng(0)
    logits, targets = generator.standard_normal((40, 3)) * 3, generator.integers(0, 3, 40)
    start = generator.standard_normal((40, 3))
    features = generator.standard_normal((40, 8)).astype(np.float32)
    made = reference_of(
        "val", targets, logits, 1.3, features, (0.4, {0.4: (logits, 1.3), 0.0: (start, 2.0)})
    )
    probabilities = softmax(logits / 1.3, axis=1)
    np.testing.assert_allclose(made.confidences, probabilities.max(1), rtol=1e-6)
    np.testing.assert_allclose(made.entropies, entropy(probabilities, axis=1), rtol=1e-5)
    np.testing.assert_allclose(made.prior, probabilities.mean(0), rtol=1e-12)
    assert made.accuracy == (logits.argmax(1) == targets).mean()
    assert (made.alpha, made.alphas, made.temperatures) == (0.4, [0.0, 0.4], [2.0, 1.3])
    np.testing.assert_array_equal(made.line_answers, [start.argmax(1), logits.argmax(1)])
    np.testing.assert_allclose(made.line_confidences[0], softmax(start / 2, axis=1).max(1), 1e-6)
    np.testing.assert_array_equal(made.features, features.astype(np.float16))
    again = Reference.read(made.facts(), made.tensors(), 3)
    np.testing.assert_array_equal(again.features, made.features)


def test_of_many_images_a_sample() -> None:
    logits = np.tile(np.eye(2), (MOST_IMAGES, 1))
    made = reference_of("val", np.tile([0, 1], MOST_IMAGES), logits, 1.0, "none are kept")
    assert (made.images, len(made.targets)) == (2 * MOST_IMAGES, MOST_IMAGES)
    assert made.accuracy == 1
    assert (made.features.shape, made.no_features) == ((0, 0), "none are kept")
    assert len(kept_features(np.ones((3000, 1024)))) == 488


def test_points_of_a_line() -> None:
    grid = [value / 10 for value in range(11)]
    assert points_to_keep(grid, 0.4) == [0.0, 0.2, 0.4, 0.7, 1.0]
    assert points_to_keep([0.0, 1.0], 1.0) == [0.0, 1.0]


def test_refused() -> None:
    with pytest.raises(DataError, match="no such class"):
        reference_of("val", [2], np.zeros((1, 2)), 1.0, "none")
