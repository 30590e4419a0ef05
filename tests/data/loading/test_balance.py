"""Rare classes: orders are even, the same for all processes, and weights say the same."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from adapt.data.loading.balance import (
    BALANCES,
    balance_weights,
    balanced_order,
    class_fractions,
    class_weights,
)
from adapt.data.loading.datasets import TrainSampler
from adapt.errors import RecipeError

COUNTS = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)


def targets_of(counts: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def wanted(counts: list[int], balance: str) -> np.ndarray:
    """Shares by the words of the settings."""
    present = np.array(counts) > 0
    if balance == "uniform":
        return present / present.sum()
    if balance == "sqrt":
        return np.sqrt(counts) / np.sqrt(counts).sum()
    return np.array(counts) / sum(counts)


@given(COUNTS, st.sampled_from(BALANCES), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_order(counts: list[int], balance: str, length: int, seed: int) -> None:
    targets = targets_of(counts)
    order, turn = balanced_order(targets, balance, length, np.random.default_rng(seed))
    assert len(order) == len(turn) == length
    drawn = np.bincount(targets[order], minlength=len(counts))
    assert (np.abs(drawn - length * wanted(counts, balance)) < 1 + 1e-9).all()
    assert set(targets[order]) <= {label for label, count in enumerate(counts) if count}
    times = Counter(order.tolist())
    for label, count in enumerate(counts):
        own = [times[index] for index in np.flatnonzero(targets == label).tolist()]
        assert not count or max(own) - min(own) <= 1, "no image comes again before all have come"
    # Each image's turns count up from 0, so that its views differ.
    for index, count in times.items():
        assert sorted(turn[order == index].tolist()) == list(range(count))
    again, _ = balanced_order(targets, balance, length, np.random.default_rng(seed))
    assert order.tolist() == again.tolist()


def test_quotas_are_even_in_the_mean() -> None:
    """7 draws for 3 classes: each gets 7/3 over many epochs."""
    targets, drawn = targets_of([1, 5, 20]), np.zeros(3)
    for epoch in range(600):
        order, _ = balanced_order(targets, "uniform", 7, np.random.default_rng([0, epoch]))
        drawn += np.bincount(targets[order], minlength=3)
    np.testing.assert_allclose(drawn / 600, 7 / 3, atol=0.08)


@given(COUNTS, st.sampled_from(BALANCES))
def test_weights_stand_for_draws(counts: list[int], balance: str) -> None:
    targets = targets_of(counts)
    weights = balance_weights(balance, targets, len(counts))
    np.testing.assert_allclose(weights[targets].mean(), 1)
    mass = np.bincount(targets, weights[targets], minlength=len(counts)) / len(targets)
    np.testing.assert_allclose(mass, wanted(counts, balance), atol=1e-12)
    np.testing.assert_allclose(class_fractions(np.array(counts), balance), wanted(counts, balance))


@settings(deadline=None)  # the first call imports scikit-learn
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_auto_is_what_scikit_learn_calls_balanced(counts: list[int]) -> None:
    targets = targets_of(counts)
    names = [f"class {label}" for label in range(len(counts))]
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=targets)
    np.testing.assert_allclose(class_weights("auto", targets, names), expected)


def test_weights_by_name() -> None:
    names = ["cat", "caf\u00e9", "dog"]
    given_names = {"dog": 2.5, "cafe\u0301": 3}
    assert class_weights(given_names, np.array([0, 1, 2]), names).tolist() == [1, 3, 2.5]
    assert class_weights("none", np.array([0]), names) is None
    with pytest.raises(RecipeError) as caught:
        class_weights({"dgo": 2, "bird": 1, "cat": 1}, np.array([0]), names, "method.weights")
    first, second = str(caught.value).splitlines()
    known = "classes are: cat, caf\u00e9, dog"
    assert first == f"method.weights.dgo - not a class, did you mean 'dog'? - 2 - {known}"
    assert second == f"method.weights.bird - not a class - 1 - {known}"


def test_names_of_balances() -> None:
    with pytest.raises(RecipeError, match="balance - not known, did you mean 'uniform'"):
        class_fractions(np.array([1]), "uniforn")
    with pytest.raises(RecipeError, match="balance - not known"):
        TrainSampler(range(3), balance="even")
