"""The head of the learning curve, against its formula in numpy."""

import numpy as np

from adapt.explore.suggest.quick_head import quick_head
from tests.helpers.pools import random_pool


def test_without_labels_it_is_zero_shot() -> None:
    text = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    head = quick_head(np.zeros((0, 8), np.float32), np.zeros(0, np.int64), text)
    np.testing.assert_array_equal(head.weight.detach().numpy(), text)


def test_it_lies_between_text_and_the_means_of_the_classes() -> None:
    pool = random_pool(1, 20)
    random = np.random.default_rng(0)
    text = random.normal(size=(4, 8))
    text = (100 * text / np.linalg.norm(text, axis=1, keepdims=True)).astype(np.float32)
    weight = quick_head(pool.labelled, pool.targets, text).weight.detach().numpy()
    means = np.stack([pool.labelled[pool.targets == k].mean(0) for k in range(4)])
    means = 100 * means / np.linalg.norm(means, axis=1, keepdims=True)
    shares = ((weight - text) * (means - text)).sum(1) / ((means - text) ** 2).sum(1)
    np.testing.assert_allclose(shares, shares[0], rtol=1e-3)
    np.testing.assert_allclose(weight, text + shares[0] * (means - text), rtol=1e-3, atol=1e-3)
    assert 0 < shares[0] <= 20 / 24


def test_it_learns() -> None:
    pool = random_pool(200, 40)
    silent = np.ones((4, 8), np.float32)
    head = quick_head(pool.labelled, pool.targets, silent)
    right = (pool.labelled @ head.weight.detach().numpy().T).argmax(1) == pool.targets
    assert right.mean() > 0.7
