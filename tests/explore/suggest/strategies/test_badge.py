"""Gradients of the head, against autograd and k-means++ on the whole products."""

import numpy as np
import pytest
import torch

from adapt.explore.suggest.strategies.badge import spread
from adapt.explore.suggest.strategies.base import choose
from tests.helpers.pools import random_pool


def slow_centres(products: np.ndarray, count: int, generator: np.random.Generator) -> list[int]:
    """k-means++ by its definition, the first centre the longest."""
    rows = [int(np.linalg.norm(products, axis=1).argmax())]
    while len(rows) < count:
        squares = np.array([min(((p - products[r]) ** 2).sum() for r in rows) for p in products])
        target, total = generator.random() * squares.sum(), 0.0
        for row, square in enumerate(squares):
            total += square
            if total > target:
                rows.append(row)
                break
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_the_centres_are_those_of_the_whole_products(seed: int) -> None:
    random = np.random.default_rng(seed)
    errors, features = random.normal(size=(30, 4)), random.normal(size=(30, 6)).astype(np.float32)
    products = np.einsum("nk,nd->nkd", errors, features).reshape(30, -1)
    fast = spread(errors, features, 12, np.random.default_rng(7))
    assert fast == slow_centres(products, 12, np.random.default_rng(7))


def test_the_products_are_gradients_of_the_loss_on_the_predicted_class() -> None:
    pool = random_pool(20)
    weight = torch.zeros(4, 8, requires_grad=True)
    bias = torch.from_numpy(np.log(pool.probabilities)).float()
    lengths = []
    for row in range(20):
        logits = bias[row : row + 1] + torch.from_numpy(pool.features[row : row + 1]) @ weight.T
        loss = torch.nn.functional.cross_entropy(logits, logits.argmax(1))
        lengths.append(float(torch.autograd.grad(loss, weight)[0].norm()))
    assert choose(pool, 1, "badge")[0].row == int(np.argmax(lengths))
