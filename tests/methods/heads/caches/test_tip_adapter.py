"""Tip-Adapter against a slow direct sum, and its choice of votes."""

import numpy as np
import pytest
import torch

from adapt.methods.features.cross_validation import Weights, best_weights, held_out_logits, rounds
from adapt.methods.heads.caches.tip_adapter import (
    BETAS,
    TipAdapter,
    cache,
    choose_votes,
    held_out_votes,
)
from tests.helpers.support_problem import ALL, UNEVEN, numbers, problem, shuffled

pytestmark = pytest.mark.numerical

FULL = ALL * 3


@pytest.mark.parametrize("targets", [FULL, UNEVEN])
@pytest.mark.parametrize("views", [1, 4])
def test_logits_equal_a_slow_direct_sum(targets: list[int], views: int) -> None:
    support = problem(targets, views)
    text = numbers(support)[2]
    keys = support.views.double().numpy().mean(0)
    queries = numbers(problem(FULL, seed=1))[0]
    head = TipAdapter(beta=3.0, alpha=0.7, views=views).head(support)
    found = head(torch.from_numpy(queries).float()).detach().numpy()
    for row, query in enumerate(queries):
        expected = 20 * text @ query
        for key, label in zip(keys, targets, strict=True):
            cosine = key @ query / np.sqrt(key @ key)
            expected[label] += 0.7 * np.exp(-3.0 * (1 - cosine))
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-4)


def test_alpha_zero_is_zero_shot_exactly() -> None:
    support = problem(FULL)
    queries = problem(FULL, seed=1).features
    head = TipAdapter(beta=1.0, alpha=0.0).head(support)
    assert torch.equal(head(queries), queries @ support.zero_shot.T)


def test_votes_are_chosen_by_images_held_out() -> None:
    support = problem(FULL)
    x, y, text = numbers(support)
    turn, scores = rounds(support).numpy(), []
    for beta in BETAS:
        votes = np.zeros((len(y), 5))
        for image in range(len(y)):
            for key in np.flatnonzero(turn != turn[image]):
                votes[image, y[key]] += np.exp(-beta * (1 - x[image] @ x[key]))
        zero_shot = 20 * x @ text.T
        weights, loss = best_weights(*map(torch.from_numpy, (zero_shot, votes, y)))
        right = ((zero_shot + weights.alpha * votes).argmax(1) == y).mean()
        scores.append((right, -loss, beta, weights.alpha))
    _, _, beta, alpha = max(scores)
    best, own = choose_votes(support, None, None)
    voters = turn.max() / (turn.max() + 1)  # of all images, how many voted on one held out
    assert (best, own.alpha) == (beta, pytest.approx(voters * alpha, rel=1e-2))
    assert choose_votes(support, None, 0.5) == (beta, Weights(1.0, 0.5))
    assert choose_votes(support, 3.0, None)[0] == 3.0


def test_single_images_take_the_released_settings() -> None:
    support = problem([0, 1, 2, 3, 4])
    assert choose_votes(support, None, None) == (1.0, Weights(1.0, 1.17))
    assert choose_votes(support, 5.5, None) == (5.5, Weights(1.0, 1.17))
    assert choose_votes(support, None, 2.0) == (1.0, Weights(1.0, 2.0))


def test_the_order_of_images_does_not_matter() -> None:
    support, queries = problem(FULL), problem(FULL, seed=1).features
    one, other = (TipAdapter().head(each)(queries) for each in (support, shuffled(support)))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "value"), [("beta", 0.0), ("alpha", -0.1), ("views", 0)])
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        TipAdapter(**{name: value})


def test_with_alpha_given_beta_is_the_best_under_that_alpha() -> None:
    support, alpha = problem(FULL, seed=1), 5.0
    x, y, text = numbers(support)
    turn = rounds(support).numpy()

    def right(beta: float) -> int:
        found = 0
        for image in range(len(y)):
            logits = 20 * text @ x[image]
            for key in np.flatnonzero(turn != turn[image]):
                logits[y[key]] += alpha * np.exp(-beta * (1 - x[image] @ x[key]))
            found += int(logits.argmax() == y[image])
        return found

    beta, kept = choose_votes(support, None, alpha)
    assert kept == Weights(1.0, alpha)
    assert right(beta) == max(map(right, BETAS)) > right(choose_votes(support, None, None)[0])


@pytest.mark.parametrize("targets", [FULL, ALL, UNEVEN])
@pytest.mark.parametrize(("beta", "neighbours"), [(4.0, 0), (0.0, 3), (2.0, 6), (8.0, 40)])
def test_votes_of_others_equal_a_cache_of_each_round(
    targets: list[int], beta: float, neighbours: int
) -> None:
    support = problem(targets, seed=2)
    found, images = held_out_votes(support)(beta, neighbours)
    expected, places = held_out_logits(
        support, lambda rest: cache(rest, beta, neighbours=neighbours, alone=True)
    )
    order = places.argsort()
    assert images.equal(places[order])
    torch.testing.assert_close(found, expected[order], rtol=1e-5, atol=1e-6)
