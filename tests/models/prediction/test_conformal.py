"""Scores and sets of conformal prediction against loops that follow the papers' formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from adapt.errors import DataError
from adapt.models.prediction.conformal import SetRule, class_scores, draws_of, prediction_sets


def slow_score(row: list[float], label: int, rule: SetRule, draw: float) -> float:
    """RAPS, equation 3: mass above + draw * own + penalty * (rank - free)+; APS without penalty."""
    ranking = sorted(range(len(row)), key=lambda k: (-row[k], k))
    rank = ranking.index(label)
    if rule.score == "lac":
        return 1 - row[label]
    mass = sum(row[k] for k in ranking[:rank])
    score = min(1.0, mass + (draw if rule.randomised else 0.0) * row[label])
    extra = rule.penalty * max(0, rank + 1 - rule.free_ranks) if rule.score == "raps" else 0.0
    return score + extra


RULES = [
    SetRule(),
    SetRule(empty=True),
    SetRule("aps"),
    SetRule("aps", randomised=True),
    SetRule("raps", False, False, 0.1, 2),
    SetRule("raps", True, True, 0.1, 0),
]


@pytest.mark.parametrize("rule", RULES)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 10_000), st.floats(0, 1.3))
@settings(deadline=None, max_examples=40)
def test_against_loops(
    rule: SetRule, images: int, classes: int, seed: int, threshold: float
) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(images, classes)).round(1)  # with ties
    probabilities, draws = softmax(logits, axis=1), generator.random(images)
    scores = class_scores(probabilities, rule, draws)
    sets = prediction_sets(probabilities, threshold, rule, draws)
    for i in range(images):
        row = probabilities[i].tolist()
        slow = [slow_score(row, k, rule, draws[i]) for k in range(classes)]
        assert scores[i] == pytest.approx(slow)
        assert scores[i].max() <= rule.largest(classes) + 1e-12
        kept = {k for k in range(classes) if scores[i, k] <= threshold}
        if not kept and not rule.empty:
            kept = {int(np.argmax(row))}
        assert set(np.flatnonzero(sets[i])) == kept


def test_sets_are_nested_in_the_order_of_probability() -> None:
    probabilities = softmax(np.random.default_rng(0).normal(size=(50, 8)) * 2, axis=1)
    for rule in RULES:
        sets = prediction_sets(probabilities, 0.8, rule, 0.5)
        for row, kept in zip(probabilities, sets, strict=True):
            assert kept.all() or row[kept].min(initial=2) >= row[~kept].max()


def test_draws_are_even_and_belong_to_the_image() -> None:
    logits = np.random.default_rng(0).normal(size=(4000, 5)).astype(np.float32) * 10
    draws = draws_of(logits)
    assert np.histogram(draws, 4, (0, 1))[0] == pytest.approx([1000] * 4, abs=110)
    assert draws_of(logits[7:8])[0] == draws[7]
    moved = np.abs(draws_of(logits + np.float32(2e-6)) - draws)
    assert np.minimum(moved, 1 - moved).max() < 0.01, "what another device rounds changes little"


def test_a_randomised_rule_needs_draws() -> None:
    with pytest.raises(DataError, match="draws - missing"):
        class_scores([[0.5, 0.5]], SetRule("aps", randomised=True))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("apz",), "conformal score - not known - 'apz' - choose one of lac, aps, raps, did you"),
        (("raps", False, False, -0.1, 0), "conformal penalty - out of range - -0.1"),
        (("raps", False, False, 0.1, -1), "beyond rank -1"),
    ],
)
def test_nonsense_is_refused(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        SetRule(*arguments)  # type: ignore[arg-type]
