"""Average precision equals scikit-learn's, also of resampled images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from adapt.errors import DataError
from adapt.evaluation.metrics.bootstrap import resampling_indices
from adapt.evaluation.several_labels.ranking import (
    average_precisions,
    centred_interval,
    check_label_scores,
    mean_average_precision,
    resampled_maps,
    resampled_precisions,
)


def problem(images: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = (random.random((images, classes)) < 0.3).astype(int)
    targets[0] = 1
    return (random.normal(size=(images, classes)) + targets).round(1), targets


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 99))
def test_equal_to_scikit_learn_with_ties(images: int, classes: int, seed: int) -> None:
    scores, targets = problem(images, classes, seed)
    wanted = [average_precision_score(targets[:, k], scores[:, k]) for k in range(classes)]
    assert np.allclose(average_precisions(scores, targets), wanted, atol=1e-12)
    macro = average_precision_score(targets, scores, average="macro")
    assert mean_average_precision(scores, targets) == pytest.approx(macro)


def test_classes_of_resampled_images() -> None:
    scores, targets = problem(30, 3, 5)
    drawn = np.concatenate(list(resampling_indices(30, 40, 0)))
    told = resampled_precisions(scores, targets, 40)
    for rows, own in zip(drawn, told, strict=True):
        for k in range(3):
            there = targets[rows, k].any()
            wanted = average_precision_score(targets[rows, k], scores[rows, k]) if there else np.nan
            assert own[k] == pytest.approx(wanted, nan_ok=True)
    assert np.allclose(np.nanmean(told, axis=1), resampled_maps(scores, targets, 40))


def test_resampled_images_are_scored_as_they_were_drawn() -> None:
    scores, targets = problem(30, 3, 5)
    maps = resampled_maps(scores, targets, samples=6, seed=2)
    rows = next(resampling_indices(30, 6, 2))
    for drawn, value in zip(rows, maps, strict=True):
        own = targets[drawn]
        there = own.any(axis=0)
        each = [
            average_precision_score(own[:, k], scores[drawn][:, k]) for k in np.flatnonzero(there)
        ]
        assert value == pytest.approx(np.mean(each), abs=1e-6)


def test_classes_without_images_do_not_count() -> None:
    scores, targets = problem(20, 3, 1)
    targets[:, 1] = 0
    assert np.isnan(average_precisions(scores, targets)).tolist() == [False, True, False]
    pair = [average_precision_score(targets[:, k], scores[:, k]) for k in (0, 2)]
    assert mean_average_precision(scores, targets) == pytest.approx(np.mean(pair))
    for empty in (mean_average_precision, resampled_maps):
        with pytest.raises(DataError, match="no image has a label"):
            empty(scores, np.zeros_like(targets))


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="not a number per class"):
        check_label_scores([[np.nan]], [[1]])
    with pytest.raises(DataError, match="not 0 or 1"):
        check_label_scores([[0.0]], [[2]])


def test_the_interval_is_around_the_value() -> None:
    draws = np.random.default_rng(0).normal(0.7, 0.1, 4000)
    low, high = centred_interval(0.5, draws)
    assert low == pytest.approx(0.5 - 0.196, abs=0.02)
    assert high == pytest.approx(0.696, abs=0.02)
