"""All metrics at once, with intervals, against separate computations."""

import json
import time

import numpy as np
import pytest
from scipy.stats import binomtest

from adapt.common.files import json_text
from adapt.evaluation.metrics.intervals import mean_interval, mean_of_proportions_interval
from adapt.evaluation.metrics.losses import brier_score, negative_log_likelihood
from adapt.evaluation.metrics.scores import score
from tests.helpers.probabilities import SINGLE, make

KEYS = ("accuracy", "balanced_accuracy", "nll", "brier", "ece")


@pytest.mark.parametrize(("images", "classes", "skip"), [(12, 4, 3), (160, 12, 0)])
@pytest.mark.parametrize("interval", ["wilson", "clopper_pearson"])
def test_score_equals_the_metrics(
    images: int, classes: int, skip: int | None, interval: str
) -> None:
    probabilities, targets = make(images, classes, 5, skip)
    logs = np.log(probabilities)
    scores = score(logs, targets, interval)
    for key, metric in zip(KEYS, SINGLE, strict=True):
        assert scores[key] == metric(logs, targets)
    right = probabilities.argmax(axis=1) == targets
    method = "exact" if interval == "clopper_pearson" else interval
    expected = binomtest(int(right.sum()), images).proportion_ci(method=method)
    assert scores["accuracy_ci"] == pytest.approx(list(expected))
    present = np.unique(targets)
    hits = [right[targets == k].sum() for k in present]
    counts = [(targets == k).sum() for k in present]
    assert scores["balanced_accuracy_ci"] == mean_of_proportions_interval(hits, counts, interval)
    for key, metric in (("nll", negative_log_likelihood), ("brier", brier_score)):
        values = [metric(logs[[i]], targets[[i]]) for i in range(images)]
        ends = mean_interval(values)
        assert scores[f"{key}_ci"] == (None if images < 100 else pytest.approx(ends))
    assert scores["ece_ci"] is None
    assert scores["undefined"] == {}


def test_no_images_and_one_class_are_said_and_never_0_or_100() -> None:
    for scores, words in (
        (score(np.zeros((0, 3)), []), "there are no images"),
        (score([[1.0], [3.0]], [0, 0]), "there is only one class to choose from"),
    ):
        values = {key: value for key, value in scores.items() if key not in ("n", "undefined")}
        assert set(values.values()) == {None}
        assert all(reason.startswith(words) for reason in scores["undefined"].values())
        assert set(scores["undefined"]) == set(KEYS)


def test_images_of_one_class_leave_balance_undefined() -> None:
    scores = score([[2.0, 0.0], [0.0, 1.0]], [0, 0])
    assert (scores["accuracy"], scores["balanced_accuracy"]) == (0.5, None)
    assert scores["undefined"]["balanced_accuracy"].startswith("the set has images of one class")


def test_scores_are_fast_and_strict_json() -> None:
    probabilities, targets = make(10_000, 10)
    start = time.process_time()
    first = score(np.log(probabilities), targets)
    assert time.process_time() - start < 2
    assert json.loads(json_text(first)) == first
