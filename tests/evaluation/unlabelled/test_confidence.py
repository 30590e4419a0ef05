"""Estimates of accuracy from confidences, against loops and scipy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from adapt.errors import DataError
from adapt.evaluation.unlabelled.confidence import (
    average_confidence,
    average_thresholded_confidence,
    confidence_threshold,
    difference_of_confidences,
    negative_entropy,
)

pytestmark = pytest.mark.numerical
CONFIDENCES = st.lists(st.integers(0, 12).map(lambda n: n / 12), min_size=1, max_size=40)


def threshold_by_search(scores: list[float], right: list[bool]) -> float:
    """The score for which the share below is nearest to the error, from below; slowly."""
    wrong = sum(not good for good in right)
    for score in sorted(scores):
        # ties: those after it in the order that is sorted count as reaching it
        if sorted(scores).index(score) + scores.count(score) > wrong:
            return score
    return float("inf")


@settings(max_examples=60, deadline=None)
@given(CONFIDENCES, CONFIDENCES, st.integers(0, 2**20))
def test_atc_and_doc_by_loops(reference: list[float], new: list[float], bits: int) -> None:
    right = [bool(bits >> place % 20 & 1) for place in range(len(reference))]
    threshold = threshold_by_search(reference, right)
    assert confidence_threshold(reference, right) == threshold
    share = sum(score >= threshold for score in new) / len(new)
    assert average_thresholded_confidence(reference, right, new) == pytest.approx(share)
    accuracy = sum(right) / len(right)
    fallen = sum(reference) / len(reference) - sum(new) / len(new)
    expected = min(1.0, max(0.0, accuracy - fallen))
    assert difference_of_confidences(reference, right, new) == pytest.approx(expected)
    assert average_confidence(new) == pytest.approx(sum(new) / len(new))


def test_on_the_reference_itself_the_estimate_is_its_accuracy() -> None:
    generator = np.random.default_rng(0)
    scores, right = generator.random(400), generator.random(400) < 0.7
    assert average_thresholded_confidence(scores, right, scores) == pytest.approx(right.mean())
    assert difference_of_confidences(scores, right, scores) == pytest.approx(right.mean())


def test_entropy_is_that_of_scipy() -> None:
    rows = np.random.default_rng(1).dirichlet(np.ones(5), 30)
    rows[0] = [1, 0, 0, 0, 0]
    np.testing.assert_allclose(negative_entropy(rows), -entropy(rows, axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: average_confidence([]), "confidences - not finite scores"),
        (lambda: average_confidence([float("nan")]), "confidences - not finite scores"),
        (lambda: confidence_threshold([0.5], [1, 0]), "right - not one per reference image"),
        (lambda: confidence_threshold([0.5], [2]), "right - not one per reference image"),
        (lambda: negative_entropy([0.5]), "probabilities - not one row per image"),
    ],
)
def test_refused(call: Callable[[], Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        call()
