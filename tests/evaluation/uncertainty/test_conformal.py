"""Conformal sets: exact against a direct count, and their promise on exchangeable images."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import betabinom, binomtest

from adapt.errors import DataError
from adapt.evaluation.uncertainty.conformal import (
    class_thresholds,
    conformal_threshold,
    set_scores,
    true_class_scores,
    uncovered_classes,
)
from adapt.models.prediction.conformal import SetRule, draws_of, prediction_sets


def exchangeable(
    images: int, seed: int, classes: int = 4, spread: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Over-confident probabilities and targets of images of one distribution."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(size=(images, classes)) * spread
    cumulative = softmax(honest, axis=1).cumsum(axis=1)
    targets = (generator.random((images, 1)) > cumulative[:, :-1]).sum(axis=1)
    return softmax(honest * 2, axis=1), targets


def slow_threshold(scores: list[float], percent: int) -> float:
    """The lowest score that (n + 1) * level of the others and an unseen one do not exceed."""
    needed = Fraction(percent, 100) * (len(scores) + 1)
    good = [s for s in scores if sum(other <= s for other in scores) >= needed]
    return min(good, default=math.inf)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 99))
def test_threshold_against_counting(scores: list[int], percent: int) -> None:
    assert conformal_threshold(scores, percent / 100) == slow_threshold(scores, percent)


@pytest.mark.parametrize(
    ("images", "level", "enough"),
    [(8, 0.9, False), (9, 0.9, True), (18, 0.95, False), (19, 0.95, True), (0, 0.5, False)],
)
def test_how_many_images_a_level_needs(images: int, level: float, enough: bool) -> None:
    found = conformal_threshold(np.arange(images) / 100, level)
    assert found == ((images - 1) / 100 if enough else math.inf)


@pytest.mark.parametrize("level", [0.6, 0.8, 0.9, 0.95])
def test_coverage_of_many_draws_is_within_binomial_error(level: float) -> None:
    """Every draw has its own val and test; coverage of n + 1 ranks is known exactly."""
    held_out, new, draws = 50, 20, 400
    covered = 0
    for seed in range(draws):
        probabilities, targets = exchangeable(held_out + new, seed)
        scores = true_class_scores(probabilities[:held_out], targets[:held_out])
        threshold = conformal_threshold(scores, level)
        sets = prediction_sets(probabilities[held_out:], threshold, SetRule(empty=True))
        covered += round(new * set_scores(sets, targets[held_out:])["coverage"])
    rank = math.ceil((held_out + 1) * level - 1e-9)
    # Given val, the coverage of a continuous score is Beta(rank, n + 1 - rank).
    law = betabinom(new, rank, held_out + 1 - rank)
    assert rank / (held_out + 1) >= level
    assert law.mean() / new == pytest.approx(rank / (held_out + 1))
    assert covered == pytest.approx(draws * law.mean(), abs=4 * law.std() * math.sqrt(draws))


def test_thresholds_per_class_cover_each_class() -> None:
    """One threshold leaves the hard class behind; one per class does not."""
    level, held_out = 0.9, 6000
    probabilities, targets = exchangeable(2 * held_out, seed=5)
    probabilities[:, 0] *= 0.2  # a model that underrates class 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    val, test = (probabilities[:held_out], targets[:held_out]), probabilities[held_out:]
    truth = targets[held_out:]
    per_class = prediction_sets(test, class_thresholds(*val, level))
    overall = prediction_sets(test, conformal_threshold(true_class_scores(*val), level))
    covered = {
        name: [sets[truth == k, k].mean() for k in range(4)]
        for name, sets in {"per_class": per_class, "overall": overall}.items()
    }
    error = 4 * math.sqrt(level * (1 - level) * 2 / (held_out / 4))
    assert covered["per_class"] == pytest.approx([level] * 4, abs=error)
    assert min(covered["overall"]) < level - error
    assert overall[np.arange(held_out), truth].mean() == pytest.approx(level, abs=error / 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 10_000), st.integers(10, 95))
def test_everything_against_loops(images: int, classes: int, seed: int, percent: int) -> None:
    generator = np.random.default_rng(seed)
    probabilities = softmax(generator.normal(size=(images, classes)), axis=1)
    targets = generator.integers(0, classes, images)
    thresholds = class_thresholds(probabilities, targets, percent / 100)
    names = [f"c{k}" for k in range(classes)]
    few = []
    for k in range(classes):
        own = [1 - row[k] for row, true in zip(probabilities, targets, strict=True) if true == k]
        wanted = slow_threshold(own, percent)
        always = classes > 1 and all(1 - row[k] <= wanted for row in probabilities)
        assert thresholds[k] == (math.inf if always else wanted)
        if len(own) * (100 - percent) < percent or always:
            few.append(f"c{k}")
    assert uncovered_classes(thresholds, names) == few
    sets = [
        {k for k in range(classes) if 1 - row[k] <= thresholds[k]} for row in probabilities.tolist()
    ]
    found = prediction_sets(probabilities, thresholds, SetRule(empty=True))
    assert [set(np.flatnonzero(row)) for row in found] == sets
    counts = {
        "coverage": sum(t in s for s, t in zip(sets, targets, strict=True)),
        "single": sum(len(s) == 1 for s in sets),
        "empty": sum(not s for s in sets),
    }
    scores = dict(set_scores(found, targets))
    assert scores.pop("size") == pytest.approx(np.mean([len(s) for s in sets]))
    for name, count in counts.items():
        assert scores.pop(name) == pytest.approx(count / images)
        ends = binomtest(count, images).proportion_ci(method="wilson")
        assert scores.pop(f"{name}_ci") == pytest.approx(list(ends))
    assert not scores


def test_an_uncovered_class_is_in_every_set() -> None:
    probabilities = np.array([[1.0, 0.0], [0.9, 0.1], [0.2, 0.8]])
    thresholds = class_thresholds(probabilities, [0, 0, 0], 0.5)
    assert thresholds.tolist() == [pytest.approx(0.1), math.inf]
    assert prediction_sets(probabilities, thresholds)[:, 1].all(), "it says nothing"
    assert prediction_sets(probabilities, math.inf).all()
    assert prediction_sets(probabilities, 1.0).all(), "a score is at most 1"


def test_sets_can_be_empty() -> None:
    sets = prediction_sets([[0.5, 0.5], [0.9, 0.1]], 0.2, SetRule(empty=True))
    scores = set_scores(sets, [0, 0])
    assert [scores[key] for key in ("coverage", "size", "single", "empty")] == [0.5] * 4  # type: ignore[literal-required]
    never = prediction_sets([[0.5, 0.5], [0.9, 0.1]], 0.2)
    assert never.tolist() == [[True, False], [True, False]]


@pytest.mark.parametrize(
    "rule", [SetRule("aps"), SetRule("aps", True), SetRule("raps", True, False, 0.05, 1)]
)
def test_adaptive_sets_keep_their_promise(rule: SetRule) -> None:
    """Over many draws of val and test, coverage is at least the level; randomised, hardly more."""
    level, held_out, new, draws, covered, sizes = 0.8, 60, 40, 200, 0, []
    for seed in range(draws):
        generator = np.random.default_rng(seed)
        honest = generator.normal(size=(held_out + new, 6)) * 1.5
        cumulative = softmax(honest, axis=1).cumsum(axis=1)
        targets = (generator.random((len(honest), 1)) > cumulative[:, :-1]).sum(axis=1)
        probabilities, drawn = softmax(honest, axis=1), draws_of(honest)
        val, test = slice(held_out), slice(held_out, None)
        scores = true_class_scores(probabilities[val], targets[val], rule, drawn[val])
        threshold = conformal_threshold(scores, level)
        sets = prediction_sets(probabilities[test], threshold, rule, drawn[test])
        found = set_scores(sets, targets[test])
        covered += round(new * found["coverage"])
        sizes.append(found["size"])
    rank = math.ceil((held_out + 1) * level - 1e-9)
    law = betabinom(new, rank, held_out + 1 - rank)
    error = 4 * law.std() * math.sqrt(draws)
    assert covered >= draws * law.mean() - error
    if rule.randomised:  # only the class that saves a set from being empty adds to it
        assert covered <= draws * law.mean() + error + 0.02 * draws * new
    assert 1 <= np.mean(sizes) < 6


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, float("nan")])
def test_level_out_of_range(level: float) -> None:
    for call in (
        lambda: conformal_threshold([0.1], level),
        lambda: class_thresholds([[0.5, 0.5]], [0], level),
    ):
        with pytest.raises(DataError, match="level - out of range"):
            call()


def test_malformed_arrays() -> None:
    with pytest.raises(DataError, match="scores - not one finite number"):
        conformal_threshold([float("nan")], 0.5)
    with pytest.raises(DataError, match="not a probability distribution"):
        true_class_scores([[3.0, 1.0]], [0])
    with pytest.raises(DataError, match="sets - not one row per image"):
        set_scores(np.zeros((0, 3)), [])
    with pytest.raises(DataError, match="no such class"):
        set_scores([[True, False]], [2])
    with pytest.raises(DataError, match="names - not one per class - 1 names"):
        uncovered_classes([0.1, 0.2], ["cat"])
