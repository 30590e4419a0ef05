"""A metric is its file: found and scored like the others, with its interval."""

from collections.abc import Iterator

import numpy as np
import pytest

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import RecipeError
from adapt.evaluation.metrics.base import METRICS, log_probabilities, metric, of_true_class
from adapt.evaluation.metrics.intervals import mean_interval, proportion_interval
from adapt.evaluation.metrics.scores import score
from tests.helpers.probabilities import make


def rank(logs: FloatArray, targets: IntArray) -> FloatArray:
    """How many classes are more probable than the true one."""
    return (logs > of_true_class(logs, targets)[:, None]).sum(axis=1).astype(float)


@pytest.fixture
def added() -> Iterator[None]:
    metric("rank")(rank)
    yield
    del METRICS._things["rank"]


@pytest.mark.usefixtures("added")
def test_an_added_metric_is_scored_after_the_others() -> None:
    probabilities, targets = make(120, 6)
    scores = score(np.log(probabilities), targets)
    assert list(scores)[-3:] == ["rank", "rank_ci", "undefined"]
    ranks = np.array([np.flatnonzero(np.argsort(-row) == t)[0]
                      for row, t in zip(probabilities, targets, strict=True)])  # fmt: skip
    assert scores["rank"] == pytest.approx(ranks.mean())
    assert scores["rank_ci"] == mean_interval(ranks)
    assert scores["accuracy_ci"] == proportion_interval((ranks == 0).sum(), 120)


@pytest.mark.usefixtures("added")
def test_a_name_is_given_once() -> None:
    with pytest.raises(RecipeError, match="metric rank - registered twice"):
        metric("rank")(rank)


def test_keys_keep_their_order() -> None:
    assert list(METRICS.table()) == ["accuracy", "balanced_accuracy", "nll", "ece", "brier"]


def test_log_probabilities_lose_nothing() -> None:
    rows = [[0.0, 800.0], [1e4, -1e4], [-np.inf, 3.0]]
    logs, _ = log_probabilities(np.array(rows, np.float32), [0, 1, 1])
    assert logs.tolist() == [[-800.0, 0.0], [0.0, -2e4], [-np.inf, 0.0]]
