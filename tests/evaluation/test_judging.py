"""Who judges held-out images: accuracy as it was, mAP for several labels."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import average_precision_score

from adapt.evaluation.judging import Judge, LabelsJudge, judge_of
from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.evaluation.metrics.calibration import fit_temperature

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 3, 60)
SETS = (RANDOM.random((60, 3)) < 0.4).astype(np.float32)
FIRST, SECOND = RANDOM.normal(size=(2, 60, 3))


def test_one_label_is_judged_by_accuracy() -> None:
    judge = judge_of(TARGETS)
    right = FIRST.argmax(1) == TARGETS
    assert type(judge) is Judge
    assert judge.quality(FIRST) == right.mean()
    wanted = paired_difference(right, SECOND.argmax(1) == TARGETS)
    assert judge.difference(FIRST, SECOND) == wanted
    own = judge.calibrate(FIRST)
    assert own.temperature == fit_temperature(FIRST, TARGETS)
    assert own.offsets == ()
    logs = log_softmax(FIRST / own.temperature, axis=1)
    assert np.array_equal(judge.losses(FIRST, own), -logs[np.arange(60), TARGETS])
    assert judge.level(FIRST, FIRST)


def test_several_labels_are_judged_by_map() -> None:
    judge, better = judge_of(SETS), SETS * 3 + FIRST
    assert isinstance(judge, LabelsJudge)
    assert judge.quality(FIRST) == pytest.approx(average_precision_score(SETS, FIRST))
    change = judge.difference(better, FIRST)
    assert change["difference"] == pytest.approx(judge.quality(better) - judge.quality(FIRST))
    assert change["ci"] is not None
    assert change["ci"][0] > 0
    assert judge.level(FIRST, FIRST)
    assert not judge.level(better, FIRST)
    assert judge.losses(better, judge.calibrate(better)).mean() < 0.6
    names = ["a", "b", "c"]
    assert [row["class"] for row in judge.worse_classes(FIRST, better, names)]
    assert judge.worse_classes(better, FIRST, names) == []
    assert judge.right(np.where(SETS > 0, 1.0, -1.0)).tolist() == [1.0] * 60
