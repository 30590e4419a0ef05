"""The rule that takes the most likely point."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.rules.base import Evidence


def test_the_most_likely_and_of_equals_the_smallest() -> None:
    losses = {1.0: [1.0, 2.0], 0.5: [0.5, 2.5], 0.0: [3.0, 1.0]}
    evidence = Evidence(dict.fromkeys(losses, 0.5), 2, losses=losses)
    assert choose_alpha(evidence, "likelihood") == 0.5


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
