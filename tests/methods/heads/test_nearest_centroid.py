"""Nearest class means against scikit-learn, and beside text."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid as Other

from adapt.methods.features.cross_validation import rounds
from adapt.methods.heads.nearest_centroid import NearestCentroid, choose_weight
from tests.helpers.support_problem import ALL, UNEVEN, numbers, problem, shuffled, unit

pytestmark = pytest.mark.numerical

FULL = ALL * 3


def test_means_alone_decide_as_scikit_learn_does() -> None:
    """Its centroids made unit: only then distance and cosine order classes alike."""
    support = problem(FULL)
    x, y, _ = numbers(support)
    other = Other().fit(x, y)
    other.centroids_ = unit(other.centroids_)
    queries = problem(FULL, seed=1).features
    found = NearestCentroid(1.0).head(support)(queries).argmax(1)
    assert found.tolist() == other.predict(queries.double().numpy()).tolist()
    assert len(set(found.tolist())) == 5


@pytest.mark.parametrize("targets", [FULL, UNEVEN])
@pytest.mark.parametrize("views", [1, 3])
def test_logits_equal_a_slow_direct_sum(targets: list[int], views: int) -> None:
    support = problem(targets, views)
    x, y, text = numbers(support)
    means = np.zeros((5, 6))
    for label in sorted(set(targets)):
        total = sum(row for row, own in zip(x, y, strict=True) if own == label)
        means[label] = total / np.linalg.norm(total)
    there = sorted(set(targets))
    for label in set(range(5)) - set(there):
        means[label] = means[there].mean(0)
    query = numbers(problem([0], seed=1))[0][0]
    expected = [20 * (0.7 * text[k] + 0.3 * means[k]) @ query for k in range(5)]
    head = NearestCentroid(0.3, views=views).head(support)
    found = head(torch.from_numpy(query).float()[None])[0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_weight_zero_is_zero_shot() -> None:
    support = problem(FULL)
    assert torch.equal(NearestCentroid(0.0).head(support).weight, support.zero_shot)


def test_weight_is_the_best_of_a_grid_on_images_held_out() -> None:
    support = problem(FULL)
    x, y, text = numbers(support)
    turn = rounds(support).numpy()

    def loss(weight: float) -> float:
        """Least cross-entropy over the temperature, a grid of which is tried."""
        logits = np.zeros((len(y), 5))
        for image in range(len(y)):
            for label in range(5):
                rest = (y == label) & (turn != turn[image])
                direction = (1 - weight) * text[label] + weight * unit(x[rest].mean(0))
                logits[image, label] = 20 * direction @ x[image]
        scaled = np.linspace(0.02, 2, 60)[:, None, None] * logits
        odds = np.exp(scaled - scaled.max(2, keepdims=True))
        p = (odds / odds.sum(2, keepdims=True))[:, np.arange(len(y)), y]
        return float((-np.log(p)).mean(1).min())

    chosen = choose_weight(support)
    assert 0 < chosen < 1
    assert loss(chosen) <= min(loss(weight) for weight in np.linspace(0, 1, 11)) + 1e-3


def test_single_images_take_little() -> None:
    assert choose_weight(problem([0, 1, 2, 3, 4])) == 0.05


def test_the_order_of_images_does_not_matter() -> None:
    support = problem(FULL)
    one, other = (NearestCentroid().head(each).weight for each in (support, shuffled(support)))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "value"), [("weight", -0.1), ("weight", 1.1), ("views", 0)])
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        NearestCentroid(**{name: value})
