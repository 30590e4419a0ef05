"""All scores of a set with several labels."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, log_loss

from adapt.evaluation.several_labels.calibration import LabelCalibration
from adapt.evaluation.several_labels.ranking import resampled_maps
from adapt.evaluation.several_labels.score import label_scores, ranking_scores


def test_equal_to_scikit_learn() -> None:
    random = np.random.default_rng(3)
    targets = (random.random((40, 3)) < 0.4).astype(int)
    logits, own = random.normal(size=(40, 3)) + targets, LabelCalibration(1.5, (0.1, 0.0, -0.2))
    p = own.probabilities(logits)
    scores = label_scores(logits, targets, own, p > 0.5, resampled_maps(logits, targets, 50))
    assert scores["n"] == 40
    assert scores["labels"] == targets.sum()
    assert scores["mAP"] == pytest.approx(average_precision_score(targets, logits))
    assert scores["f1_macro"] == pytest.approx(f1_score(targets, p > 0.5, average="macro"))
    assert scores["nll"] == pytest.approx(log_loss(targets.ravel(), p.ravel()))
    assert scores["brier"] == pytest.approx(brier_score_loss(targets.ravel(), p.ravel()))
    assert scores["mAP_ci"][0] < scores["mAP"] < scores["mAP_ci"][1]
    assert ranking_scores(logits, targets) == {"n": 40, "mAP": scores["mAP"]}


def test_without_any_label_there_is_a_reason() -> None:
    nothing = np.zeros((3, 2))
    scores = label_scores(nothing, nothing, LabelCalibration(), nothing, np.zeros(0))
    assert scores["mAP"] is None
    assert scores["undefined"]["f1_micro"] == "no image has a label"
    assert scores["nll"] == pytest.approx(np.log(2))
    assert ranking_scores(nothing, nothing) == {"n": 3, "mAP": None}
