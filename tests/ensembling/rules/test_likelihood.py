"""Rules that look at the likelihood of val."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import softmax

from adapt.ensembling.choose import alpha_grid, choose_alpha
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.rules.base import Evidence
from adapt.ensembling.rules.likelihood_gain import KEPT

GRID = alpha_grid(11)


def evidence(loss: list[float]) -> Evidence:
    """Two images whose losses have these means."""
    losses = {a: [value - 0.25, value + 0.25] for a, value in zip(GRID, loss, strict=True)}
    return Evidence(dict.fromkeys(GRID, 0.5), 2, losses=losses)


def test_by_hand() -> None:
    """From 2 nats to 1: nine tenths are kept at 1.1, which is crossed at alpha 0.34."""
    falling = [2.0, 1.6, 1.3, 1.14, 1.04, 1.0, 1.0, 1.1, 1.2, 1.3, 1.4]
    assert KEPT == 0.9
    assert choose_alpha(evidence(falling), "likelihood") == 0.5
    assert choose_alpha(evidence(falling), "likelihood_gain") == 0.3
    assert choose_alpha(evidence([1.0] * 11), "likelihood_gain") == 0.0, "nothing to gain"
    assert choose_alpha(evidence(GRID), "likelihood_gain") == 0.0, "only to lose"


def test_the_mean_over_resampled_images() -> None:
    """Three of four images prefer alpha 0, by as much as the fourth prefers 1: by hand."""
    losses = {0.0: [0.0, 0.0, 0.0, 3.0], 0.25: [0.6, 0.6, 0.6, 2.4], 1.0: [1.0, 1.0, 1.0, 0.0]}
    # Draws hold the fourth image k times of 4 with probability C(4, k) 3^(4 - k) / 4^4; alpha 0
    # costs 3k, alpha 1 costs 4 - k, so alpha 0 is best for k = 0 and (with the first of equals)
    # k = 1: 189 of 256 draws. The mean is 67 / 256, nearest to 0.25.
    expected = 67 / 256
    found = choose_alpha(Evidence(dict.fromkeys(losses, 0.5), 4, losses=losses), "likelihood_mean")
    assert found == min(losses, key=lambda alpha: abs(alpha - expected))


@given(st.lists(st.floats(0.01, 10), min_size=11, max_size=11))
def test_never_beyond_the_most_likely(loss: list[float]) -> None:
    """And what is taken, or a point beside it, keeps its share of the gain."""
    given_ = evidence(loss)
    best, taken = choose_alpha(given_, "likelihood"), choose_alpha(given_, "likelihood_gain")
    assert taken <= best
    limit = min(loss) + (1 - KEPT) * (loss[0] - min(loss))
    place = GRID.index(taken)
    assert min(given_.loss(a) for a in GRID[: place + 2]) <= limit + 1e-12


def test_losses_are_those_of_the_best_temperature() -> None:
    """Against scipy on the same logits, the temperature looked for from several places."""
    random = np.random.default_rng(0)
    targets, logits = random.integers(0, 3, 40), 4 * random.normal(size=(40, 3))
    logits[np.arange(40), targets] += 2

    def mean(log: np.ndarray) -> float:
        p = softmax(logits / math.exp(log[0]), axis=1)[np.arange(40), targets]
        return float(-np.log(p).mean())

    best = min(minimize(mean, [begin]).fun for begin in (-1.0, 0.0, 1.0))
    held = HeldOut(targets, {0.0: logits})
    assert held.evidence().loss(0.0) == pytest.approx(best, rel=1e-6)
    assert np.mean(held.losses(0.0)) == held.evidence().loss(0.0)
