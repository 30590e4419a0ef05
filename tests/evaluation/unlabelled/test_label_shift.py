"""Class mixes, against direct likelihood, least squares with constraints, and known mixes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, minimize
from scipy.special import softmax

from adapt.errors import DataError
from adapt.evaluation.unlabelled.label_shift import (
    black_box_intervals,
    black_box_shift,
    most_likely_intervals,
    most_likely_shift,
    with_mix,
)

pytestmark = pytest.mark.numerical
MIX = np.array([0.6, 0.3, 0.1])


def world(images: int, mix: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and the exact probabilities of a Gaussian per class, for equal frequencies."""
    generator = np.random.default_rng(seed)
    targets = generator.choice(len(mix), images, p=mix)
    places = np.eye(len(mix))[targets] * 2 + generator.standard_normal((images, len(mix)))
    return targets, softmax(2 * places, axis=1)


def test_bbse_solves_the_constrained_system() -> None:
    targets, probabilities = world(600, np.full(3, 1 / 3), 0)
    new = world(500, MIX, 1)[1].argmax(1)
    said = probabilities.argmax(1)
    joint = np.array([[np.mean((said == i) & (targets == j)) for j in range(3)] for i in range(3)])
    asked = [np.mean(new == i) for i in range(3)]
    ratios = lsq_linear(joint, asked, bounds=(0, np.inf)).x
    slow = ratios * joint.sum(0) / (ratios * joint.sum(0)).sum()
    np.testing.assert_allclose(black_box_shift(targets, said, new, 3), slow, atol=1e-6)
    np.testing.assert_allclose(slow, MIX, atol=0.08)


def test_mlls_is_the_most_likely_mix() -> None:
    probabilities, prior = world(400, MIX, 2)[1], np.full(3, 1 / 3)

    def loss(logits: np.ndarray) -> float:
        mix = softmax(np.append(logits, 0.0))
        return -float(np.log((probabilities / prior) @ mix).sum())

    slow = softmax(np.append(minimize(loss, np.zeros(2), tol=1e-10).x, 0.0))
    estimated = most_likely_shift(probabilities, prior)
    np.testing.assert_allclose(estimated, slow, atol=1e-4)
    np.testing.assert_allclose(estimated, MIX, atol=0.06)
    doubled = most_likely_shift(probabilities[:200], prior, weights=np.full(200, 2.0))
    np.testing.assert_allclose(doubled, most_likely_shift(probabilities[:200], prior), atol=1e-6)


def test_a_class_that_no_reference_has_stays_at_zero() -> None:
    mix = most_likely_shift([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]], [0.5, 0.5, 0.0])
    assert mix[2] == 0
    assert mix.sum() == pytest.approx(1)
    kept = with_mix([[0.0, 0.0, 1.0]], [0.5, 0.5, 0.0], [0.9, 0.1, 0.0])
    assert kept.tolist() == [[0.0, 0.0, 1.0]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.05, 1), min_size=3, max_size=3), st.integers(0, 9))
def test_another_mix_is_bayes_rule(mix: list[float], seed: int) -> None:
    probabilities, prior = world(5, MIX, seed)[1], np.array([0.2, 0.3, 0.5])
    raised = with_mix(probabilities, prior, mix)
    for row, own in zip(raised, probabilities, strict=True):
        joint = [p / a * b for p, a, b in zip(own, prior, mix, strict=True)]
        np.testing.assert_allclose(row, np.array(joint) / sum(joint), atol=1e-12)
    np.testing.assert_allclose(with_mix(raised, mix, prior), probabilities, atol=1e-9)


def test_the_right_mix_makes_a_model_more_accurate() -> None:
    targets, probabilities = world(4000, np.array([0.9, 0.05, 0.05]), 3)
    prior = np.full(3, 1 / 3)
    corrected = with_mix(probabilities, prior, most_likely_shift(probabilities, prior))
    before, after = ((p.argmax(1) == targets).mean() for p in (probabilities, corrected))
    assert after > before + 0.03


def test_intervals_cover_in_most_draws() -> None:
    """Of 20 draws, each with the three classes of a known mix: 95 % are expected, 80 % asked."""
    hits = {"bbse": 0, "mlls": 0}
    for seed in range(20):
        targets, reference = world(400, np.full(3, 1 / 3), 100 + seed)
        new, said = world(300, MIX, 200 + seed)[1], reference.argmax(1)
        both = {
            "bbse": black_box_intervals(targets, said, new.argmax(1), 3, 100),
            "mlls": most_likely_intervals(new, reference.mean(0), 400, 50),
        }
        for name, own in both.items():
            hits[name] += int(((own.low <= MIX) & (own.high >= MIX)).sum())
            assert ((own.low <= own.mix) & (own.mix <= own.high)).all()
    assert min(hits.values()) >= 48, hits


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: black_box_shift([], [], [0], 2), "targets - no images"),
        (lambda: black_box_shift([0], [0], [1], 2), "no class mix explains the answers"),
        (lambda: most_likely_shift([[0.5, 0.5]], [1.0]), "prior - not one frequency per class"),
        (lambda: most_likely_shift([[0.5, 0.5]], [1, 1], weights=[1, 2]), "weights - not one"),
        (lambda: with_mix([[0.5, 0.5]], [1, 1], [0, 0]), "mix - not one frequency"),
    ],
)
def test_refused(call: Callable[[], Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        call()
