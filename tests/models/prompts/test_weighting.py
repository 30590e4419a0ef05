"""Zero-shot prompt weighting against the formula of its paper, in numpy and with loops."""

import numpy as np
import pytest
import torch

from adapt.models.prompts.weighting import zpe_scores, zpe_weights

SCALE = 30.0


def unit(random: np.random.Generator, *shape: int) -> np.ndarray:
    rows = random.normal(size=shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def slow_scores(images: np.ndarray, texts: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """Logits (N, T, K) less their mean over images (and over others), their largest, its mean."""
    logits = SCALE * np.einsum("nd,tkd->ntk", images, texts)
    bias = logits.mean(0, keepdims=True)
    if reference is not None:
        bias = (bias + SCALE * np.einsum("nd,tkd->ntk", reference, texts).mean(0)) / 2
    scores = []
    for template in range(texts.shape[0]):
        best = [max(row[template] - bias[0, template]) for row in logits]
        scores.append(sum(best) / len(best))
    return np.array(scores)


@pytest.mark.parametrize("with_reference", [False, True])
def test_scores_and_weights_are_those_of_the_paper(with_reference: bool) -> None:
    random = np.random.default_rng(0)
    images, texts = unit(random, 23, 8), unit(random, 5, 4, 8)
    reference = unit(random, 17, 8) if with_reference else None
    expected = slow_scores(images, texts, reference)
    given = None if reference is None else torch.from_numpy(reference).float()
    features = torch.from_numpy(images).float(), torch.from_numpy(texts).float()
    np.testing.assert_allclose(zpe_scores(*features, SCALE, given), expected, rtol=1e-5)
    odds = np.exp(expected - expected.max())
    weights = zpe_weights(*features, SCALE, given)
    np.testing.assert_allclose(weights, odds / odds.sum(), rtol=1e-4)
    assert expected.max() - expected.min() > 0.1


def test_the_length_of_a_group_of_sentences_says_nothing() -> None:
    random = np.random.default_rng(1)
    images = torch.from_numpy(unit(random, 9, 6)).float()
    texts = torch.from_numpy(unit(random, 2, 3, 6)).float()
    shorter = texts * torch.tensor([1.0, 0.5])[:, None, None]
    torch.testing.assert_close(
        zpe_weights(images, shorter, SCALE), zpe_weights(images, texts, SCALE)
    )
