"""What is said of two models that give several labels per image."""

from typing import Any

import pytest

from adapt.report.comparison.comment import render_comment
from adapt.report.comparison.page import render_page
from adapt.report.comparison.several_labels import (
    classes_table,
    headline,
    sets_table,
    tone,
    verdict,
)


def change(a: float, b: float, width: float = 0.02) -> dict[str, Any]:
    """A score of both models."""
    ends = {f"{side}_ci": [own - width, own + width] for side, own in (("a", a), ("b", b))}
    return {"a": a, "b": b, "difference": b - a, "ci": [b - a - width, b - a + width], **ends}


@pytest.fixture
def content() -> dict[str, Any]:
    """A comparison with a shift, in which B is better."""
    row = {"n": 40, "p": 0.001, "p_holm": 0.002, "fixed": 20, "broken": 3, "ranked": True}
    flip = {
        "kind": "broken",
        "row": 3,
        "path": "<b>3</b>.png",
        "sha256": "0",
        "true": "ant|bee",
        "a": {"label": "ant|bee"},
        "b": {"label": ""},
        "gained": [],
        "lost": ["ant", "bee"],
    }
    own = {
        "classes": 2,
        "labels": 70,
        "shift": None,
        "left_out": 0,
        "unreadable": [],
        "images": {"n": 80, "fixed": 30, "broken": 5, "changed": 4},
        "mAP": change(0.4, 0.5),
        "f1_micro": change(0.3, 0.31),
        "f1_macro": change(0.3, 0.2),
        "per_class": [
            {"name": "bee", **change(0.5, 0.45), **row, "fixed": 0, "broken": 12},
            {"name": "ant", **change(0.3, 0.55), **row},
        ],
        "flips": [flip],
    }
    side = {"name": "old", "path": "", "about": "tiny", "classes": 2, "bytes": None}
    return {
        "format": 1,
        "adapt": "0",
        "measure": "mAP",
        "a": side,
        "b": {**side, "name": "new"},
        "classes": ["ant", "bee"],
        "only_in_a": [],
        "only_in_b": [],
        "main": "test",
        "sets": {"test": own, "fog": {**own, "flips": []}},
        "shift_mean": {"shifts": 1, **change(0.4, 0.41)},
        "latency": None,
        "no_latency": "it was not asked for",
        "notes": [],
        "leaks": [],
        "data": None,
        "limits": [],
    }


def test_the_verdict(content: dict[str, Any]) -> None:
    first, shifts, *classes = verdict(content)
    assert headline(content) == "B is better than A"
    assert "mAP +10.0 points on test (95 % interval +8.0 to +12.0)" in first
    assert "Other labels on 39 images of 80" in first
    assert "It may be chance" in shifts
    assert classes == [
        "Decisions clearly worse: bee (0 fixed, 12 broken).",
        "Decisions clearly better: ant (20 fixed, 3 broken).",
    ]
    assert tone(change(0.5, 0.2)) == "worse"


def test_tables(content: dict[str, Any]) -> None:
    rows = sets_table(content).rows
    assert [cell.text for cell in rows[0]][:5] == ["test", "80", "40.0 %", "50.0 %", "+10.0"]
    assert [rows[0][place].tone for place in (5, 6)] == ["unclear", "worse"]
    assert [row[0].text for row in classes_table(content).rows] == ["bee", "ant"]


def test_page_and_comment(content: dict[str, Any]) -> None:
    page = render_page(content, {})
    assert page.startswith("<!doctype html>")
    assert "<b>3</b>" not in page
    assert 'id="confidence"' not in page
    assert "ant, bee" in page, "what only A decides rightly"
    comment = render_comment(content)
    assert "B is better than A" in comment
    assert "no label" in comment
