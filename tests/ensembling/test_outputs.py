"""Ensembles of outputs against plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from adapt.ensembling.outputs import mix_by_entropy, mix_outputs, mixed_logits
from adapt.errors import DataError, RecipeError


def slow_softmax(row: list[float], temperature: float) -> list[float]:
    powers = [math.exp((value - max(row)) / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0)


@given(seed=st.integers(0, 999), alpha=st.floats(0, 1), temperature=st.floats(0.2, 5))
@settings(deadline=None, max_examples=30)
def test_against_a_loop(seed: int, alpha: float, temperature: float) -> None:
    start, tuned = np.random.default_rng(seed).normal(0, 3, (2, 4, 3))
    mixed = mix_outputs(start, tuned, alpha, (1.0, temperature))
    by_entropy, weights = mix_by_entropy(start, tuned, (1.0, temperature))
    for row in range(4):
        first = slow_softmax(start[row].tolist(), 1.0)
        second = slow_softmax(tuned[row].tolist(), temperature)
        expected = [(1 - alpha) * a + alpha * b for a, b in zip(first, second, strict=True)]
        assert mixed[row].tolist() == pytest.approx(expected, rel=1e-9)
        sure, surer = math.exp(-entropy(first)), math.exp(-entropy(second))
        weight = surer / (sure + surer)
        assert weights[row] == pytest.approx(weight, rel=1e-9)
        expected = [(1 - weight) * a + weight * b for a, b in zip(first, second, strict=True)]
        assert by_entropy[row].tolist() == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(mixed.sum(1), 1)


def test_ends_and_ties() -> None:
    start, tuned = np.array([[2.0, 0.0]]), np.array([[0.0, 5.0]])
    np.testing.assert_array_equal(mix_outputs(start, tuned, 0), mix_outputs(start, start, 0.5))
    np.testing.assert_array_equal(mix_outputs(start, tuned, 1), mix_outputs(tuned, tuned, 0.5))
    assert mix_by_entropy(start, start[:, ::-1])[1][0] == pytest.approx(0.5)
    huge = mix_by_entropy([[1e4, 0.0]], [[0.0, 1e4]])[0]  # no overflow, no NaN
    np.testing.assert_allclose(huge, [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("start", "tuned", "match"),
    [
        ([[0.0, 1.0]], [[0.0, 1.0, 2.0]], "shapes do not fit"),
        ([0.0, 1.0], [0.0, 1.0], "shapes do not fit"),
        ([[0.0, np.nan]], [[0.0, 1.0]], "not finite"),
    ],
)
def test_logits_that_do_not_fit(start: object, tuned: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        mix_by_entropy(start, tuned)  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_out_of_range(alpha: float) -> None:
    with pytest.raises(RecipeError, match="alpha - out of range"):
        mix_outputs([[0.0, 1.0]], [[0.0, 1.0]], alpha)


def test_temperature_out_of_range() -> None:
    with pytest.raises(RecipeError, match="temperatures - out of range"):
        mix_outputs([[0.0, 1.0]], [[0.0, 1.0]], 0.5, (1.0, 0.0))


def test_logits_of_the_mixture_give_its_probabilities_back() -> None:
    random = np.random.default_rng(0)
    start, tuned = random.normal(size=(2, 6, 4)) * 30
    found = mixed_logits(start, tuned, 0.3)
    expected = 0.7 * softmax(start, axis=1) + 0.3 * softmax(tuned, axis=1)
    np.testing.assert_allclose(softmax(found, axis=1), expected, rtol=1e-4, atol=1e-6)
