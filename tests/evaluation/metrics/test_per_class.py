"""Counts of each class against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from adapt.evaluation.metrics.calibration import reliability_bins
from adapt.evaluation.metrics.per_class import confusion_matrix, per_class_table
from tests.helpers.probabilities import make


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("skip", [None, 1])
def test_per_class_equal_to_scikit_learn(skip: int | None) -> None:
    probabilities, targets = make(30, 12, 3, skip)
    table = per_class_table(probabilities, targets)
    expected = sk.precision_recall_fscore_support(
        targets, probabilities.argmax(axis=1), labels=range(12), zero_division=np.nan
    )
    unknown = np.isnan(expected[0]) | np.isnan(expected[1])
    expected = (*expected[:2], np.where(unknown, np.nan, expected[2]), expected[3])
    for name, column in zip(("precision", "recall", "f1", "n"), expected, strict=True):
        mine = [np.nan if row[name] is None else row[name] for row in table]
        np.testing.assert_allclose(mine, column, rtol=1e-12, err_msg=name)


def test_class_without_images_is_none_and_not_zero() -> None:
    table = per_class_table([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], [0, 0], ["a", "b", "c"])
    never = {"n": 0, "recall": None, "recall_ci": None, "f1": None, "f1_ci": None}
    wrong_once = {"precision": 0.0, "precision_ci": [0.0, pytest.approx(0.793, abs=1e-3)]}
    assert table[1] == {"name": "b", **never, **wrong_once}
    assert table[2] == {"name": "c", **never, "precision": None, "precision_ci": None}


def test_intervals_are_those_of_the_counts() -> None:
    probabilities, targets = make(80, 4, 1)
    matrix = confusion_matrix(probabilities, targets)
    for interval in ("wilson", "clopper_pearson"):
        for k, row in enumerate(per_class_table(probabilities, targets, interval=interval)):
            method = "exact" if interval == "clopper_pearson" else interval
            right, true, said = int(matrix[k, k]), int(matrix[k].sum()), int(matrix[:, k].sum())
            for name, whole in (("recall", true), ("precision", said)):
                ends = list(binomtest(right, whole).proportion_ci(method=method))
                assert row[f"{name}_ci"] == pytest.approx(ends)  # type: ignore[literal-required]
            low, high = binomtest(right, true + said - right).proportion_ci(method=method)
            assert row["f1_ci"] == pytest.approx([2 * low / (1 + low), 2 * high / (1 + high)])
            assert row["f1"] is not None
            assert low <= row["f1"] / (2 - row["f1"]) <= high


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 10_000))
def test_matrix_table_and_bins_count_every_image_once(images: int, classes: int, seed: int) -> None:
    probabilities, targets = make(images, classes, seed)
    assert confusion_matrix(probabilities, targets).sum() == images
    assert sum(row["n"] for row in per_class_table(probabilities, targets)) == images
    assert sum(row["n"] for row in reliability_bins(probabilities, targets)) == images


def test_tie_goes_to_the_first_class() -> None:
    uniform = np.full((6, 3), 1 / 3)
    assert confusion_matrix(uniform, [0, 1, 2, 0, 1, 2])[:, 0].tolist() == [2, 2, 2]
