"""Curves: their formula, what is asked, and that intervals cover where the curve is known."""

import numpy as np
import pytest

from adapt.errors import DataError
from adapt.explore.suggest.learning_curve import (
    FRACTIONS,
    REPEATS,
    Curves,
    HeldOutAnswers,
    curves_of_classes,
    fitted,
    held_out_answers,
)
from tests.helpers.pools import random_pool

SILENT = np.ones((4, 8), np.float32)


def answers_of(pool_seed: int, count: int) -> tuple[HeldOutAnswers, np.ndarray]:
    pool = random_pool(1, count, seed=pool_seed)
    return held_out_answers(pool.labelled, pool.targets, SILENT), pool.targets


def test_nobody_is_asked_about_what_the_head_has_seen() -> None:
    answers, _ = answers_of(0, 40)
    assert answers.asked.shape == (len(FRACTIONS), REPEATS, 40)
    held = 40 - np.round(np.array(FRACTIONS) * 40)
    np.testing.assert_array_equal(answers.asked.sum(2), np.repeat(held[:, None], REPEATS, 1))
    assert not (answers.right & ~answers.asked).any()
    rates, counts = answers.rates()
    first = answers.right[0].sum(0) / np.maximum(answers.asked[0].sum(0), 1)
    assert rates[0] == pytest.approx(first[answers.asked[0].any(0)].mean())
    assert counts[0] == answers.asked[0].any(0).sum()


def test_a_curve_is_a_logistic_function_of_the_logarithm() -> None:
    one = np.ones(1)
    curve = Curves(0.3 * one, 0.5 * one, -0.1 * one, np.zeros((2, 1)))
    for times in (0.5, 1.0, 2.0):
        log = np.log(times)
        wanted = 1 / (1 + np.exp(-(0.3 + 0.5 * log - 0.1 * log**2)))
        assert curve.mean(times) == pytest.approx(wanted)
    assert curve.accuracy(2)["value"] == pytest.approx(float(curve.mean(2)[0]))
    gain = curve.gain(2)
    assert gain["value"] == pytest.approx(float(curve.mean(2)[0] - curve.mean(1)[0]))
    assert gain["ci"] == pytest.approx([gain["value"]] * 2)


def simulated(
    random: np.random.Generator, level: float, slope: float, count: int
) -> HeldOutAnswers:
    """Answers of heads whose accuracy is known at every size; images differ in difficulty."""
    fractions = np.array(FRACTIONS)
    hard = random.normal(size=count)
    right = np.zeros((len(fractions), REPEATS, count), bool)
    asked = right.copy()
    for place, fraction in enumerate(fractions):
        accuracy = 1 / (1 + np.exp(-(level + slope * np.log(fraction))))
        limit = np.quantile(np.random.default_rng(0).normal(size=20_000), accuracy)
        for turn in range(REPEATS):
            held = random.permutation(count)[round(fraction * count) :]
            asked[place, turn, held] = True
            right[place, turn, held] = hard[held] < limit
    return HeldOutAnswers(fractions, right, asked)


def test_intervals_hold_the_truth_where_it_is_known() -> None:
    """Accuracy with twice the labels lies in the 95 % interval in at least nine of ten draws."""
    random, inside = np.random.default_rng(0), []
    for _ in range(40):
        level, slope = random.uniform(-0.5, 1.5), random.uniform(0.1, 0.9)
        curves = fitted(simulated(random, level, slope, 60))
        truth = 1 / (1 + np.exp(-(level + slope * np.log(2))))
        low, high = curves.accuracy(2)["ci"]
        inside.append(low <= truth <= high)
    assert np.mean(inside) >= 0.9


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_how_much_heads_differ_is_told_from_few_images(spread: float) -> None:
    """Heads of halves whose accuracy has a known standard deviation, asked about few images."""
    random, found = np.random.default_rng(0), []
    for _ in range(60):
        right, asked = (np.zeros((1, 12, 80), bool) for _ in range(2))
        hard = random.normal(size=80)
        for turn in range(12):
            held = random.permutation(80)[40:]
            asked[0, turn, held] = True
            ease = hard[held] + random.normal(size=40) + np.sqrt(2) * 2.5 * spread * random.normal()
            right[0, turn, held] = ease > 0
        found.append(HeldOutAnswers(np.array([0.5]), right, asked).variance())
    deviation = np.sqrt(max(np.mean(found), 0))
    # A step of one standard deviation of sqrt(2) moves accuracy by 0.28 near a half.
    assert deviation == pytest.approx(np.sqrt(2) * 2.5 * spread * 0.28, abs=0.035)


def test_more_images_give_narrower_intervals() -> None:
    random = np.random.default_rng(1)

    def width(count: int) -> float:
        low, high = fitted(simulated(random, 0.5, 0.4, count)).accuracy(2)["ci"]
        return high - low

    assert width(400) < 0.7 * width(40)


def test_classes_have_curves_of_their_own() -> None:
    answers, targets = answers_of(1, 60)
    curves = curves_of_classes(answers, targets, 4)
    assert len(curves) == 4
    low, high = fitted(answers).accuracy()["ci"]
    widths = [ci[1] - ci[0] for ci in (curve.accuracy()["ci"] for curve in curves)]
    assert np.mean(widths) > high - low  # fewer images


def test_a_class_of_few_images_is_not_more_certain_than_the_others() -> None:
    """Its own images may show no variance between heads; then that of all classes counts."""
    answers, targets = answers_of(2, 60)
    targets = np.where(np.arange(60) < 3, 9, targets)
    variances = [answers.variance(targets == k) for k in range(10)]
    asked = [answers.asked[1][:, targets == k].sum() for k in range(10)]
    mean = sum(n * v for n, v in zip(asked, variances, strict=True)) / sum(asked)
    assert answers.variance_of_classes(targets) == pytest.approx(mean)
    curves = curves_of_classes(answers, targets, 10)
    wanted = [max(own, mean, 0) ** 0.5 for own in variances]
    assert [curve.deviation for curve in curves] == pytest.approx(wanted)
    assert fitted(answers, targets == 9).deviation <= curves[9].deviation


def test_too_few_labels() -> None:
    with pytest.raises(DataError, match="too few labelled images - 9"):
        answers_of(0, 9)
