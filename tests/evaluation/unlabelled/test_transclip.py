"""TransCLIP against a version with loops, and what it must not do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.errors import DataError
from adapt.evaluation.unlabelled.transclip import transclip


def a_set(seed: int, images: int, classes: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit features around class directions, and uncertain first answers."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(classes, size))
    features = centres[np.arange(images) % classes] + generator.normal(size=(images, size))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    logits = 4 * features @ (centres + 0.5 * generator.normal(size=centres.shape)).T
    first = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return features, first


def slowly(features: np.ndarray, first: np.ndarray, trust: float) -> np.ndarray:
    """The algorithm of the paper, image by image and class by class."""
    images, classes = first.shape
    affinity = np.zeros((images, images))
    for i in range(images):
        others = sorted(
            (j for j in range(images) if j != i), key=lambda j: -features[i] @ features[j]
        )
        for j in others[:3]:
            affinity[i, j] = features[i] @ features[j]
    means = []
    for c in range(classes):
        best = sorted(range(images), key=lambda i: -first[i, c])[:8]
        mean = sum(first[i, c] * features[i] for i in best)
        means.append(mean / np.linalg.norm(mean))
    variance = np.full(features.shape[1], 1 / features.shape[1])
    answers = first.copy()
    for number in range(11):
        likelihood = np.array([
            [-0.5 * ((x - mean) ** 2 / variance).sum() for mean in means] for x in features
        ])  # fmt: skip
        for _ in range(5):
            after = np.empty_like(answers)
            for i in range(images):
                said = likelihood[i] + 50 / 6 * sum(
                    (affinity[i, j] + affinity[j, i]) * answers[j] for j in range(images)
                )
                row = first[i] ** trust * np.exp((said - said.max()) / 50)
                after[i] = row / row.sum()
            answers = after
        if number == 10:
            return answers
        for c in range(classes):
            mean = sum(answers[i, c] * features[i] for i in range(images))
            means[c] = mean / np.linalg.norm(mean)
        variance = sum(
            answers[i, c] * (features[i] - means[c]) ** 2
            for i in range(images) for c in range(classes)
        ) / images  # fmt: skip
    raise AssertionError


@pytest.mark.parametrize(("images", "classes", "trust"), [(24, 3, 1.0), (15, 4, 0.5), (6, 2, 1.0)])
def test_equals_the_slow_version(images: int, classes: int, trust: float) -> None:
    features, first = a_set(images, images, classes, 8)
    said = transclip(features, first, trust)
    np.testing.assert_allclose(said, slowly(features, first, trust), atol=1e-9)
    assert abs(said - first).max() > 0.02


def test_neighbours_are_found_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    features, first = a_set(0, 40, 3, 8)
    whole = transclip(features, first)
    monkeypatch.setattr("adapt.evaluation.unlabelled.transclip.BLOCK", 7)
    np.testing.assert_allclose(transclip(features, first), whole, atol=1e-12)


@given(st.integers(0, 1000), st.integers(4, 30), st.integers(2, 5))
def test_rows_are_probabilities_and_the_order_does_not_matter(
    seed: int, images: int, classes: int
) -> None:
    features, first = a_set(seed, images, classes, 6)
    said = transclip(features, first)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert (said >= 0).all()
    order = np.random.default_rng(seed).permutation(images)
    np.testing.assert_allclose(transclip(features[order], first[order]), said[order], atol=1e-6)


def test_a_class_that_nothing_belongs_to_does_no_harm() -> None:
    features, first = a_set(1, 20, 3, 8)
    first = np.column_stack([first, np.zeros(20)])
    said = transclip(features, first)
    assert np.isfinite(said).all()
    assert said[:, 3].max() < 1e-100


def test_refused() -> None:
    features, first = a_set(0, 8, 2, 4)
    with pytest.raises(DataError, match=r"shape \(7, 4\) for 8 images"):
        transclip(features[:7], first)
    with pytest.raises(DataError, match="too few images to know each other - 3 - give at least 4"):
        transclip(features[:3], first[:3])
