"""F1 and its parts equal scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from adapt.evaluation.metrics.bootstrap import resampling_indices
from adapt.evaluation.several_labels.decisions import class_table, f1_scores, resampled_f1

RANDOM = np.random.default_rng(0)
TARGETS = (RANDOM.random((50, 6)) < 0.3).astype(int)
CHOSEN = np.where(RANDOM.random((50, 6)) < 0.7, TARGETS, 1 - TARGETS)


def test_equal_to_scikit_learn() -> None:
    scores = f1_scores(CHOSEN, TARGETS, samples=200)
    for kind in ("micro", "macro"):
        assert scores[f"f1_{kind}"] == pytest.approx(f1_score(TARGETS, CHOSEN, average=kind))
        low, high = scores[f"f1_{kind}_ci"]
        assert low < scores[f"f1_{kind}"] < high
    table = class_table(CHOSEN, TARGETS)
    wanted = precision_recall_fscore_support(TARGETS, CHOSEN, average=None)
    for name, own in zip(("precision", "recall", "f1", "n"), wanted, strict=True):
        assert np.allclose(table[name], own)


def test_intervals_are_those_of_resampled_images() -> None:
    drawn = np.concatenate(list(resampling_indices(50, 200, 0)))
    values = [f1_score(TARGETS[rows], CHOSEN[rows], average="micro") for rows in drawn]
    wanted = np.quantile(values, [0.025, 0.975])
    assert np.allclose(f1_scores(CHOSEN, TARGETS, samples=200)["f1_micro_ci"], wanted)
    micro, macro = resampled_f1(CHOSEN, TARGETS, 200)
    assert np.allclose(micro, values)
    every = [f1_score(TARGETS[rows], CHOSEN[rows], average="macro") for rows in drawn]
    assert np.allclose(macro, every)


def test_macro_is_over_classes_that_occur() -> None:
    targets = TARGETS.copy()
    targets[:, 0] = 0
    wanted = f1_score(targets[:, 1:], CHOSEN[:, 1:], average="macro")
    assert f1_scores(CHOSEN, targets, samples=2)["f1_macro"] == pytest.approx(wanted)
