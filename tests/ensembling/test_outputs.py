"""Ensembles of outputs against plain loops."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from adapt.ensembling.outputs import mean_logits, mix_by_entropy, mix_outputs, mixed_logits
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
        ([[0.0, np.nan]], [[0.0, 1.0]], "no highest class"),
        ([[0.0, np.inf]], [[0.0, 1.0]], "no highest class"),
        ([[0.0, 1.0]], [[-np.inf, -np.inf]], "no highest class"),
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


def weights_of_the_authors(
    start: list[list[float]], tuned: list[list[float]], temperatures: tuple[float, float]
) -> list[float]:
    """`negexp_ent_ratio` with `offset_adjustment` of main_dawin.py, written down once more."""
    unsure = [
        [entropy(slow_softmax(row, temperature)) for row in rows]
        for rows, temperature in zip((start, tuned), temperatures, strict=True)
    ]
    means = [statistics.mean(values) for values in unsure]
    bias = sum(statistics.stdev(v) / m for v, m in zip(unsure, means, strict=True)) / 2
    divisor = (means[0] + means[1]) / means[0]
    return [
        (math.exp(-second) + bias / divisor) / (math.exp(-first) + math.exp(-second) + bias)
        for first, second in zip(*unsure, strict=True)
    ]


@given(seed=st.integers(0, 999), temperature=st.floats(0.2, 5))
@settings(deadline=None, max_examples=30)
def test_the_offset_against_the_formula_of_the_authors(seed: int, temperature: float) -> None:
    start, tuned = np.random.default_rng(seed).normal(0, 3, (2, 6, 4))
    temperatures = (0.9, temperature)
    mixed, weights = mix_by_entropy(start, tuned, temperatures, offset=True)
    expected = weights_of_the_authors(start.tolist(), tuned.tolist(), temperatures)
    assert weights.tolist() == pytest.approx(expected, rel=1e-9)
    for row, weight in enumerate(expected):
        first = slow_softmax(start[row].tolist(), 0.9)
        second = slow_softmax(tuned[row].tolist(), temperature)
        probabilities = [(1 - weight) * a + weight * b for a, b in zip(first, second, strict=True)]
        assert mixed[row].tolist() == pytest.approx(probabilities, rel=1e-9)


def test_no_offset_where_it_is_not_defined() -> None:
    start, tuned = np.array([[2.0, 0.0]]), np.array([[0.0, 5.0]])
    alone = mix_by_entropy(start, tuned, offset=True)[1]
    np.testing.assert_array_equal(alone, mix_by_entropy(start, tuned)[1])
    sure = np.array([[1e4, 0.0], [1e4, 0.0]])
    weights = mix_by_entropy(sure, np.array([[1.0, 0.0], [2.0, 0.0]]), offset=True)[1]
    assert np.isfinite(weights).all()


def test_classes_that_cannot_win_take_no_part() -> None:
    start, tuned = np.random.default_rng(1).normal(0, 3, (2, 5, 3))
    lacking = [np.insert(part, 1, -np.inf, axis=1) for part in (start, tuned)]
    mixed, weights = mix_by_entropy(*lacking, offset=True)
    expected = mix_by_entropy(start, tuned, offset=True)
    np.testing.assert_allclose(weights, expected[1])
    np.testing.assert_allclose(np.delete(mixed, 1, axis=1), expected[0])
    assert not mixed[:, 1].any()


def test_mean_logits_are_the_geometric_mean_of_probabilities() -> None:
    start, tuned = np.random.default_rng(2).normal(0, 3, (2, 5, 3))
    product = np.sqrt(softmax(start / 2, axis=1) * softmax(tuned / 0.5, axis=1))
    expected = product / product.sum(axis=1, keepdims=True)
    found = softmax(mean_logits(start, tuned, (2.0, 0.5)), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
