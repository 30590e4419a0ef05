"""LDIFS against the authors' sums, number by number."""

import numpy as np
import pytest
import torch

from adapt.training.penalties.feature_distillation import feature_distance


def slow_ldifs(now: list[np.ndarray], start: list[np.ndarray]) -> float:
    """Number by number: over tokens normalised, over everything averaged, as the authors do."""
    depths = []
    for one, other in zip(now, start, strict=True):
        images, tokens, width = one.shape
        total = 0.0
        for image in range(images):
            for channel in range(width):
                a, b = one[image, :, channel], other[image, :, channel]
                a, b = a / np.sqrt(sum(a * a)), b / np.sqrt(sum(b * b))
                total += sum((a[token] - b[token]) ** 2 for token in range(tokens))
        depths.append(total / (images * width * tokens))
    return float(np.mean(depths))


@pytest.mark.numerical
def test_feature_distance() -> None:
    random = np.random.default_rng(0)
    now, start = (
        [random.normal(size=(4, tokens, width)) for tokens, width in ((5, 3), (2, 6))]
        for _ in range(2)
    )
    value = feature_distance(*([torch.from_numpy(v) for v in values] for values in (now, start)))
    assert float(value) == pytest.approx(slow_ldifs(now, start), rel=1e-5)


def test_a_channel_that_is_zero_on_all_tokens_has_a_finite_gradient() -> None:
    now = torch.zeros(1, 3, 2, requires_grad=True)
    feature_distance([now], [torch.ones(1, 3, 2)]).backward()
    assert now.grad is not None
    assert torch.isfinite(now.grad).all()
