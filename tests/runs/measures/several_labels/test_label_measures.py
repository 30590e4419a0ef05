"""Scores of every model on every split, where images have several labels."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from adapt.runs.measures.scores import Outputs
from adapt.runs.measures.several_labels.label_measures import (
    LabelDecision,
    decisions_of,
    score_labels,
    write_label_table,
)

RANDOM = np.random.default_rng(0)
TARGETS = {name: (RANDOM.random((40, 3)) < 0.4).astype(np.float32) for name in ("val", "test")}
LOGITS = {
    model: {name: RANDOM.normal(size=(40, 3)) + gain * own for name, own in TARGETS.items()}
    for model, gain in (("zero_shot", 0.5), ("ensemble", 2.0))
}
OUTPUTS = Outputs(["a", "b", "c"], TARGETS, LOGITS, {"zero_shot": 1.0, "ensemble": 1.0})


def test_models_are_scored_against_zero_shot() -> None:
    scored = score_labels(OUTPUTS, decisions_of(OUTPUTS, calibrated=True))
    for name, own in TARGETS.items():
        pair = [average_precision_score(own, LOGITS[model][name]) for model in LOGITS]
        assert scored["zero_shot"][name]["mAP"] == pytest.approx(pair[0])
        change = scored["ensemble"][name]["difference"]["mAP"]
        assert change["difference"] == pytest.approx(pair[1] - pair[0])
        assert change["ci"][0] < change["difference"] < change["ci"][1]
        assert scored["chance"][name]["mAP"] == pytest.approx(own.mean())
    assert "difference" not in scored["zero_shot"]["val"]


def test_a_decision_is_that_of_val() -> None:
    decision = LabelDecision.fit(LOGITS["ensemble"]["val"], TARGETS["val"], calibrated=False)
    assert decision.calibration.temperature == 1.0
    p = 1 / (1 + np.exp(-LOGITS["ensemble"]["test"]))
    given = decision.chosen("test", LOGITS["ensemble"]["test"])
    assert np.array_equal(given, p >= decision.thresholds.values)
    assert decision.chosen("val", p) is decision.thresholds.chosen
    assert decision.to_dict(["a", "b", "c"])["offsets"] == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_the_table_of_classes(tmp_path: Path) -> None:
    write_label_table(tmp_path, OUTPUTS, decisions_of(OUTPUTS, calibrated=True))
    with (tmp_path / "per_class.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 3
    row = next(r for r in rows if (r["model"], r["eval"], r["class"]) == ("ensemble", "test", "b"))
    wanted = average_precision_score(TARGETS["test"][:, 1], LOGITS["ensemble"]["test"][:, 1])
    assert float(row["average_precision"]) == pytest.approx(wanted, abs=1e-6)
