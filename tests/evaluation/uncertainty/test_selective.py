"""Risk against coverage, by a slow loop; thresholds, by trying every one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.errors import DataError
from adapt.evaluation.uncertainty.selective import (
    answered_scores,
    answering_threshold,
    part_of,
    risk_coverage,
)


def slow_curve(
    confidences: list[float], right: list[bool]
) -> tuple[list[tuple[float, float]], float]:
    """Every point, and the mean over the images of the risk where each enters."""
    images = len(confidences)

    def risk_from(level: float) -> tuple[int, float]:
        taken = [ok for value, ok in zip(confidences, right, strict=True) if value >= level]
        return len(taken), sum(not ok for ok in taken) / len(taken)

    points = [risk_from(level) for level in sorted(set(confidences), reverse=True)]
    area = sum(risk_from(level)[1] for level in confidences) / images
    return [(count / images, risk) for count, risk in points], area


# Few distinct values, so that ties are common.
ANSWERS = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(ANSWERS, st.randoms())
def test_curve_against_a_slow_loop_in_any_order(
    answers: list[tuple[int, bool]], random: np.random.Generator
) -> None:
    confidences, right = [one / 12 for one, _ in answers], [ok for _, ok in answers]
    points, area = slow_curve(confidences, right)
    found = risk_coverage(confidences, right)
    np.testing.assert_allclose(found["coverage"], [coverage for coverage, _ in points])
    np.testing.assert_allclose(found["risk"], [risk for _, risk in points])
    assert found["area"] == pytest.approx(area)
    random.shuffle(answers)
    again = risk_coverage([one / 12 for one, _ in answers], [ok for _, ok in answers])
    assert again == found


def test_area_without_ties_is_the_usual_one() -> None:
    generator = np.random.default_rng(0)
    confidences, right = generator.permutation(500) / 500, generator.random(500) < 0.7
    ranked = ~right[np.argsort(-confidences)]
    usual = np.mean([ranked[: count + 1].mean() for count in range(500)])
    assert risk_coverage(confidences, right)["area"] == pytest.approx(usual)


def test_long_curves_are_thinned_and_stay_on_the_curve() -> None:
    generator = np.random.default_rng(1)
    confidences, right = generator.random(1234), generator.random(1234) < 0.6
    points, area = slow_curve(confidences.tolist(), right.tolist())
    found = risk_coverage(confidences, right)
    assert len(found["coverage"]) == len(found["risk"]) == 101
    assert set(zip(found["coverage"], found["risk"], strict=True)) <= set(points)
    assert found["coverage"][0] == points[0][0]
    assert (found["coverage"][-1], found["risk"][-1]) == (1.0, pytest.approx(1 - right.mean()))
    assert np.diff(found["coverage"]).max() < 0.011
    assert found["area"] == pytest.approx(area)


def test_equal_confidences_are_one_point() -> None:
    found = risk_coverage([0.5] * 8, [True] * 6 + [False] * 2)
    assert found == {"coverage": [1.0], "risk": [0.25], "area": 0.25}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=40), st.integers(1, 100))
def test_threshold_is_the_highest_that_answers_enough(scores: list[int], percent: int) -> None:
    found = answering_threshold(scores, percent / 100)
    enough = [
        level for level in scores if 100 * sum(s >= level for s in scores) >= percent * len(scores)
    ]
    assert found == max(enough)


@pytest.mark.parametrize("images", [7, 20, 100, 1000])
def test_shares_are_read_as_decimals(images: int) -> None:
    for percent in range(1, 101):
        assert part_of(percent / 100, images) == -(-percent * images // 100)


@settings(max_examples=60, deadline=None)
@given(ANSWERS, st.integers(0, 13))
def test_answered(answers: list[tuple[int, bool]], threshold: int) -> None:
    found = answered_scores([c for c, _ in answers], [ok for _, ok in answers], threshold)
    taken = [ok for confidence, ok in answers if confidence >= threshold]
    assert found["coverage"] == pytest.approx(len(taken) / len(answers))
    expected = sum(taken) / len(taken) if taken else None
    assert found["accuracy"] == (None if expected is None else pytest.approx(expected))


def test_threshold_and_answers_agree_on_val() -> None:
    confidences = np.random.default_rng(2).random(300)
    threshold = answering_threshold(confidences, 0.9)
    assert answered_scores(confidences, np.ones(300), threshold)["coverage"] == 0.9


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_share_out_of_range(share: float) -> None:
    with pytest.raises(DataError, match="coverage - out of range"):
        answering_threshold([0.5], share)


@pytest.mark.parametrize("confidences", [[], [[0.5]], [float("nan")], [float("inf")]])
def test_bad_confidences(confidences: list[float]) -> None:
    right = np.ones(np.shape(confidences), bool)
    for call in (
        lambda: risk_coverage(confidences, right),
        lambda: answering_threshold(confidences, 0.5),
        lambda: answered_scores(confidences, right, 0.5),
    ):
        with pytest.raises(DataError, match="confidences - not finite numbers"):
            call()


def test_one_truth_per_confidence() -> None:
    with pytest.raises(DataError, match="right - not one per confidence"):
        risk_coverage([0.5, 0.6], [True])
