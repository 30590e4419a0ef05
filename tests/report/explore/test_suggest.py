"""The page of what to label next."""

from typing import Any

from adapt.report.explore.suggest import (
    class_table,
    curve_table,
    facts,
    left_out,
    render_suggestion,
)

HOSTILE = '<script>alert("1")</script>'


def estimate(value: float) -> dict[str, Any]:
    return {"value": value, "ci": [value - 0.1, value + 0.1]}


def content(curve: bool = True) -> dict[str, Any]:
    more = {"images": 20, "accuracy": estimate(0.7), "gain": estimate(0.05)}
    classes = [
        {"name": HOSTILE, "labelled": 5, "now": estimate(0.5), "gain": estimate(0.08)},
        {"name": "dog", "labelled": 0, "now": None, "gain": None},
    ]
    how_many = {
        "labelled": 30, "level": 0.95, "now": estimate(0.65), "more": [more], "farthest": 60,
        "classes": classes, "classes_images": 20,
    }  # fmt: skip
    pick = {"rank": 1, "path": f"a/{HOSTILE}.png", "sha256": "", "predicted": 0,
            "confidence": 0.5, "why": HOSTILE, "copies": 2}  # fmt: skip
    return {
        "adapt": "1", "pool": HOSTILE, "strategy": "mix", "strategy_takes": "the best",
        "model": {"name": "m", "about": "b"}, "classes": [HOSTILE, "dog"], "picks": [pick],
        "images": {"read": 9, "unreadable": ["x: y"], "labelled": 30, "labelled_already": 1,
                   "copies_of_labelled": 0, "copies": 2, "candidates": 5},
        "how_many": how_many if curve else None, "notes": [HOSTILE],
    }  # fmt: skip


def test_names_do_nothing_and_everything_is_said() -> None:
    page = render_suggestion(content(), {1: "data:image/jpeg;base64,AAAA"})
    assert HOSTILE not in page
    assert "data:image/jpeg;base64,AAAA" in page
    assert "2 copies left out" in page
    assert "How many more, and of which class" in page
    assert "1 is labelled already, by content; 2 are copies of other images" in page


def test_without_a_curve_and_without_a_picture() -> None:
    page = render_suggestion(content(curve=False), {})
    assert "How many more" not in page
    assert "the file cannot be read here" in page


def test_tables_and_facts() -> None:
    curve = content()["how_many"]
    rows = curve_table(curve).rows
    assert [cell.text for cell in rows[1]] == ["20 more", "70.0 %", "+5.0"]
    assert rows[1][2].note == "-5.0 to +15.0"
    assert [cell.text for cell in class_table(curve).rows[1]] == ["dog", "0", "n/a", "n/a"]
    assert facts(content())[3] == ("with 20 more, points", "+5.0", "-5.0 to +15.0")
    assert len(left_out(content())) == 3
