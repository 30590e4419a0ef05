"""Detection of unknowns, against scikit-learn and brute force."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors

from adapt.errors import DataError
from adapt.evaluation.uncertainty import unknown as unknowns
from adapt.evaluation.uncertainty.unknown import auroc, detection, false_positive_rate, knn_scores
from adapt.models.prediction.uncertainty import energy

pytestmark = pytest.mark.numerical

SCORES = st.lists(st.integers(-6, 6), min_size=1, max_size=50)


def by_sklearn(known: Any, unknown: Any, kept: float) -> tuple[float, float]:
    truth = np.r_[np.ones(len(known)), np.zeros(len(unknown))]
    scores = np.r_[known, unknown].astype(float)
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    return roc_auc_score(truth, scores), false[np.argmax(true >= kept)]


@settings(max_examples=150, deadline=None)
@given(SCORES, SCORES)
def test_ties_against_sklearn(known: list[int], unknown: list[int]) -> None:
    area, rate = by_sklearn(known, unknown, 0.95)
    assert auroc(known, unknown) == pytest.approx(area)
    assert false_positive_rate(known, unknown) == pytest.approx(rate)
    if len({*known, *unknown}) == 1:
        nothing = {"auroc": None, "fpr95": None, "reason": "every image has the same score"}
        assert detection(known, unknown) == nothing
    else:
        found = {"auroc": pytest.approx(area), "fpr95": pytest.approx(rate), "reason": None}
        assert detection(known, unknown) == found


@pytest.mark.parametrize("kept", [0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize(("known", "unknown"), [(1, 1), (20, 7), (999, 1500)])
def test_continuous_scores_against_sklearn(known: int, unknown: int, kept: float) -> None:
    generator = np.random.default_rng(known)
    inside, outside = generator.normal(1, 1, known), generator.normal(0, 2, unknown)
    area, rate = by_sklearn(inside, outside, kept)
    assert auroc(inside, outside) == pytest.approx(area)
    assert false_positive_rate(inside, outside, kept) == pytest.approx(rate)


def test_two_sides_mirror() -> None:
    generator = np.random.default_rng(3)
    known, unknown = generator.normal(1, 1, 80), generator.normal(0, 1, 120)
    assert auroc(known, unknown) == pytest.approx(1 - auroc(unknown, known))
    assert auroc(known, known) == pytest.approx(0.5)


@pytest.mark.parametrize("neighbours", [1, 3, 10, 500])
@pytest.mark.parametrize("block", [1, 2**24])
def test_neighbours_against_sklearn(
    neighbours: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknowns, "_BLOCK", block)
    generator = np.random.default_rng(4)
    train, asked = generator.normal(size=(60, 7)), generator.normal(size=(25, 7))
    found = knn_scores((3 * asked).astype(np.float32), train.astype(np.float32), neighbours)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (train, asked)]
    search = NearestNeighbors(n_neighbors=min(neighbours, 60), algorithm="brute").fit(unit[0])
    np.testing.assert_allclose(found, -search.kneighbors(unit[1])[0][:, -1], atol=1e-6)


def test_few_training_images() -> None:
    one = knn_scores([[0.0, 2.0], [1.0, 0.0]], [[5.0, 0.0]])
    np.testing.assert_allclose(one, [-np.sqrt(2), 0.0])


def test_energy_by_hand() -> None:
    logits, temperature = np.array([[1.0, 2.0, 3.0], [-4.0, 0.0, 4.0]]), 2.5
    expected = temperature * np.log(np.exp(logits / temperature).sum(axis=1))
    np.testing.assert_allclose(energy(logits, temperature), expected)
    huge = energy([[1e4, 0.0]])
    assert huge.tolist() == [1e4], "no overflow"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: auroc([], [1.0]), "known - not finite scores"),
        (lambda: auroc([1.0], []), "unknown - not finite scores"),
        (lambda: auroc([[1.0]], [1.0]), "known - not finite scores"),
        (lambda: auroc([np.nan], [1.0]), "known - not finite scores"),
        (lambda: false_positive_rate([1.0], [np.inf]), "unknown - not finite scores"),
        (lambda: false_positive_rate([1.0], [1.0], 1.2), "out of range"),
        (lambda: knn_scores([[1.0]], [[1.0]], 0), "neighbours - too few"),
        (lambda: knn_scores([[1.0, 0.0]], [[1.0]]), "train_features - do not match"),
        (lambda: knn_scores([[1.0]], np.zeros((0, 1))), "train_features - do not match"),
        (lambda: knn_scores([[1.0], [0.0]], [[1.0]]), r"features\[1\] - no direction"),
        (lambda: knn_scores([[np.nan]], [[1.0]]), "features - not finite rows"),
    ],
)
def test_bad_input(call: Callable[[], Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        call()
