"""A metric is its file: found, scored and resampled like the others."""

from collections.abc import Iterator

import numpy as np
import pytest

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import RecipeError
from adapt.evaluation.metrics.base import METRICS, MeanOverImages, metric
from adapt.evaluation.metrics.bootstrap import percentile_interval, resampling_indices
from adapt.evaluation.metrics.scores import score
from tests.helpers.probabilities import make


def rank(probabilities: FloatArray, targets: IntArray) -> FloatArray:
    """How many classes are more probable than the true one."""
    chosen = probabilities[np.arange(len(targets)), targets]
    return (probabilities > chosen[:, None]).sum(axis=1).astype(float)


@pytest.fixture
def added() -> Iterator[None]:
    metric("rank")(rank)
    yield
    del METRICS._things["rank"]


@pytest.mark.usefixtures("added")
def test_an_added_metric_is_scored_after_the_others() -> None:
    probabilities, targets = make(50, 6)
    scores = score(probabilities, targets, samples=30, seed=2)
    assert list(scores)[-2:] == ["rank", "rank_ci"]
    ranks = np.array([np.flatnonzero(np.argsort(-row) == t)[0]
                      for row, t in zip(probabilities, targets, strict=True)])  # fmt: skip
    assert scores["rank"] == pytest.approx(ranks.mean())
    draws = np.concatenate(list(resampling_indices(50, 30, seed=2)))
    assert scores["rank_ci"] == pytest.approx(percentile_interval(ranks[draws].mean(axis=1)))


@pytest.mark.usefixtures("added")
def test_a_name_is_given_once() -> None:
    with pytest.raises(RecipeError, match="metric rank - registered twice"):
        metric("rank")(rank)


def test_keys_keep_their_order() -> None:
    assert list(METRICS.table()) == ["accuracy", "balanced_accuracy", "nll", "ece", "brier"]


def test_sums_of_one_sample_give_the_value() -> None:
    probabilities, targets = make(80, 5, seed=3, skip=2)
    for name, one in METRICS.table().items():
        sums = np.asarray(one.statistics(probabilities, targets).sum(axis=0))[None]
        value = one.value(probabilities, targets)
        assert one.of_sums(sums, 80) == pytest.approx([value]), name
        assert isinstance(one, MeanOverImages) == (sums.shape == (1, 1))
