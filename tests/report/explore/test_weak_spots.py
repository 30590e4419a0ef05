"""The sentences of weak spots."""

from typing import Any

from adapt.report.explore.weak_spots import design_sentence, design_tables, level, rows, sentence


def told(value: float, ci: list[float], probe: float, **more: Any) -> dict[str, Any]:
    return {
        "ability": "counting",
        "answers": ["one", "two"],
        "control": "",
        "images": 100,
        "chance": 0.5,
        "zero_shot": {"value": value, "ci": ci},
        "probe": {"value": probe, "ci": [probe - 0.1, probe + 0.1]},
        **more,
    }


GUESSES, WEAK, WORKS = (
    told(0.55, [0.45, 0.65], 0.9), told(0.7, [0.6, 0.8], 0.55), told(0.95, [0.9, 0.98], 0.9)
)  # fmt: skip


def test_levels() -> None:
    assert [level(each) for each in (GUESSES, WEAK, WORKS)] == ["guesses", "weak", "works"]


def test_sentences() -> None:
    assert sentence(GUESSES).startswith("Do not use it for counting: zero-shot is right for 55.0 %")
    assert "labels of your own would help" in sentence(GUESSES)
    assert "does not learn it either" in sentence(WEAK)
    assert sentence(WORKS).startswith("It can be used for counting")
    assert "Without that difficulty it is 95.0 %" in sentence(WEAK, WORKS)


def test_the_weakest_come_first() -> None:
    content = {"tasks": {"a": WORKS, "b": GUESSES, "c": WEAK}}
    assert [row.name for row in rows(content, {})] == ["b", "c", "a"]


def test_other_classes() -> None:
    group = {"images": 4, "moved": 0.5, "ci": [0.1, 0.9]}
    design = {
        "added": ["child"], "removed": ["adult"], "by": "site", "images": 10, "moved": 3,
        "pairs": [["adult", "child", 3]], "groups": {"x": group},
    }  # fmt: skip
    assert design_sentence(design) == "With child and without adult, 3 of 10 answers move (30.0 %)."
    moved, groups = design_tables(design)
    assert [cell.text for cell in moved.rows[0]] == ["adult", "child", "3"]
    assert groups.rows[0][2].note == "10.0 % to 90.0 %"
