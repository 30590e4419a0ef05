"""The tables of retrieval hold what `scores.json` does."""

from dataclasses import replace
from typing import Any

from adapt.report.record.read import RunRecord
from adapt.report.record.scores import ScoreTable
from adapt.report.tables.captions import captions_tables
from tests.helpers.report_fixture import rows_of


def recalls(first: float) -> dict[str, Any]:
    values = {"recall@1": first, "recall@5": 0.5, "recall@10": 0.75}
    chance = {"chance@1": 0.001, "chance@5": 0.005, "chance@10": 0.01}
    return values | chance | {f"{key}_ci": [v - 0.1, v + 0.1] for key, v in values.items()}


def test_nothing_without_such_an_eval(run: RunRecord) -> None:
    assert captions_tables(run) == []


def test_a_table_for_each_direction(run: RunRecord) -> None:
    change = {"recall@1": {"difference": 0.05, "ci": [0.01, 0.09]}}
    models = {
        "zero_shot": {"text_to_image": recalls(0.2), "image_to_text": recalls(0.3)},
        "adapted": {
            "text_to_image": recalls(0.25) | {"difference": change},
            "image_to_text": recalls(0.3) | {"difference": change},
        },
    }
    stored = {"images": 1200, "captions": 6000, "cut": 2, "models": models}
    scores = ScoreTable({**run.scores, "retrieval": {"words": stored}})
    first, second = captions_tables(replace(run, scores=scores))
    assert first.caption == "Retrieval on words: images for a caption"
    assert second.caption == "Retrieval on words: captions for an image"
    assert "1200 images and 6000 captions" in first.legend
    assert "2 captions fill the context" in first.legend
    rows = list(rows_of(first).values())
    assert [cell.text for cell in rows[0][1:4]] == ["20.0 %", "50.0 %", "75.0 %"]
    assert (rows[1][4].change, rows[1][4].tone) == ("▲", "better")
    assert [cell.text for cell in rows[2]] == ["chance", "0.1 %", "0.5 %", "1.0 %", ""]
