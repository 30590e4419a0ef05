"""The table of other image encoders holds the stored accuracies."""

from dataclasses import replace
from typing import Any

from adapt.report.record.read import RunRecord
from adapt.report.tables.towers import towers_table
from tests.helpers.report_fixture import texts


def entry(accuracy: float) -> dict[str, Any]:
    return {"n": 40, "accuracy": accuracy, "accuracy_ci": [accuracy - 0.1, accuracy + 0.1]}


def test_every_encoder_has_its_rows(run: RunRecord) -> None:
    sets = [*run.scores.evals, "val"]
    probe = {name: entry(0.4) for name in sets}
    tower = {"arch": "timm/resnet50", "pretrained": "random", "models": {"linear_probe": probe}}
    table = towers_table(replace(run, towers={"towers": [tower]}))
    assert table is not None
    assert table.header == ["image encoder", "model", *sets]
    absent, last = table.rows[-2:]
    assert texts(absent)[:3] == ["timm/resnet50", "zero-shot", "n/a"]
    assert absent[2].note == "no text tower"
    assert texts(last)[1:3] == ["linear probe", "40.0 %"]
    assert texts(table.rows[0])[1] == "zero-shot"
    assert towers_table(run) is None
