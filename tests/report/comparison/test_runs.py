"""The page of many runs: what its tables and sentences say."""

from typing import Any

from adapt.report.comparison.runs import (
    differences_table,
    headline,
    made_table,
    no_differences,
    render_runs,
    scores_table,
    settings_table,
)
from tests.helpers.report_fixture import rows_of


def part(test: float, shift: float) -> dict[str, Any]:
    """What a model scores on two sets."""
    bounds = {"test": [test - 0.05, test + 0.05], "sketch": None}
    scores = {"test": test, "sketch": shift}
    return {"scores": scores, "intervals": bounds, "shift_mean": shift}


def a_run(name: str, test: float, shift: float, **changes: Any) -> dict[str, Any]:
    """One entry of `runs`."""
    return {
        "name": name, "folder": f"runs/{name}", "base": "ViT-B-32 (openai)", "method": "lora",
        "ships": "ensemble", "alpha": 0.4, "seed": 0, "seconds": 90.0, "calibration_error": 0.03,
        "start": part(0.5, 0.4), "shipped": part(test, shift), "differences": None,
        "shift_difference": None, "no_differences": "", **changes,
    }  # fmt: skip


def entry(difference: float, p: float) -> dict[str, Any]:
    """A difference with its interval."""
    return {"difference": difference, "ci": [difference - 0.02, difference + 0.02], "p": p}


CONTENT: dict[str, Any] = {
    "format": 1, "adapt": "0.1.0", "measure": "accuracy", "test": "test",
    "sets": ["test", "sketch"], "shifts": ["sketch"],
    "runs": [
        a_run("first", 0.6, 0.5),
        a_run("<b>", 0.7, 0.45, differences={"test": entry(0.1, 0.001),
                                             "sketch": {"reason": "sketch: not the same images"}}),
        a_run("old", 0.55, 0.52, alpha=None, no_differences="old: no stored answers"),
    ],
    "settings": [{"key": "seed", "values": {"first": 0, "<b>": 1}}],
}  # fmt: skip


def test_scores_stand_over_intervals_and_starts() -> None:
    table = scores_table(CONTENT)
    assert table.header == ["run", "test", "sketch"]
    cells = rows_of(table)["first"]
    assert [cell.text for cell in cells[1:]] == ["60.0 %", "50.0 %"]
    assert [cell.note for cell in cells[1:]] == ["55.0 to 65.0; start 50.0 %", "start 40.0 %"]


def test_differences_stand_only_where_images_are_the_same() -> None:
    table = differences_table(CONTENT)
    assert table is not None
    assert table.caption == "Difference to first"
    (row,) = table.rows
    assert [(cell.text, cell.note, cell.change) for cell in row] == [
        ("<b>", "", ""), ("+10.0", "+8.0 to +12.0", "▲"), ("none", "not the same images", ""),
    ]  # fmt: skip
    assert no_differences(CONTENT) == [
        "first and <b>: no difference is formed: sketch: not the same images.",
        "first and old: no difference is formed: old: no stored answers.",
    ]
    assert differences_table(CONTENT | {"runs": CONTENT["runs"][::2]}) is None


def test_the_headline_names_the_highest_and_whether_it_is_clear() -> None:
    clear = "on the same images <b> is clearly better than first"
    assert headline(CONTENT) == (
        f"Highest: <b> with 70.0 % on test and old with 52.0 % on sketch; {clear}."
    )
    doubtful = a_run("<b>", 0.7, 0.4, differences={"test": entry(0.1, 0.2)})
    runs = [CONTENT["runs"][0], doubtful]
    assert "is not clearly better" in headline(CONTENT | {"runs": runs})
    none = a_run("x", 0.0, 0.0)
    none["shipped"] = {"scores": {"test": None}, "intervals": {}, "shift_mean": None}
    some = headline(CONTENT | {"runs": [none, CONTENT["runs"][0]]})
    assert some.startswith("Highest: first with ")
    assert "(no score on test: 1 of 2 runs)" in some
    assert headline(CONTENT | {"runs": [none]}) == "No run has a score on a test set."


def test_settings_and_what_each_run_is() -> None:
    table = settings_table(CONTENT)
    assert [cell.text for cell in rows_of(table)["seed"]] == ["seed", "0", "1", ""]
    assert settings_table(CONTENT | {"settings": []}) is None
    rows = rows_of(made_table(CONTENT))
    shown = [cell.text for cell in rows["first"][1:]]
    assert shown == ["ViT-B-32 (openai)", "lora", "mixed model", "0.4", "0", "0.030", "1.5 min"]
    assert rows["old"][4].text == "none"


def test_the_page_is_whole_and_escapes_names() -> None:
    page = render_runs(CONTENT)
    assert "<b></" not in page
    assert "&lt;b&gt;" in page
    assert "<svg" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
