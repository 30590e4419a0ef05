"""Sections: what is shown, what is left out, and why."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapt.report.figures.style import ReportFigure, figure, house_style, new_figure
from adapt.report.record.read import Absent, RunRecord, read_run
from adapt.report.sections import SECTIONS, Block, Section, build_sections
from adapt.report.tables.cells import Table, Text
from adapt.report.write import write
from tests.helpers.report_fixture import make_run, with_protocol

IDS = ("alpha", "robustness", "uncertainty")


def blocks_of(run: RunRecord, *ids: str) -> list[Block]:
    with house_style():
        built = build_sections(run, [part for part in SECTIONS if part.id in (ids or IDS)])
    return [block for part in built for block in part.blocks]


def absent_of(blocks: list[Block]) -> list[Absent]:
    return [block for block in blocks if isinstance(block, Absent)]


def shown(blocks: list[Block]) -> str:
    """All words of some blocks."""
    words = []
    for block in blocks:
        if isinstance(block, Table):
            words += [block.caption, *block.header, *(c.text for row in block.rows for c in row)]
        elif isinstance(block, ReportFigure):
            words += [block.alt, block.caption, block.read]
        else:
            words.append(block.words if isinstance(block, Text) else block.reason)
    return "\n".join(words)


def test_whole_run_has_no_absent_part(run: RunRecord) -> None:
    blocks = blocks_of(run)
    assert not absent_of(blocks)
    assert all(len(block.read) > 40 for block in blocks if isinstance(block, ReportFigure))


def test_run_from_before_these_files_says_why(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 3, 4)
    (folder / "robustness.json").unlink()
    (folder / "uncertainty.json").write_text("[]", encoding="utf-8")
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    del scores["guard"]
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    reasons = [block.reason for block in absent_of(blocks_of(read_run(folder)))]
    assert [reason.split(":")[0] for reason in reasons[-3:]] == [
        "scores.json holds no guard",
        "robustness.json is absent",
        "uncertainty.json cannot be read",
    ]


@pytest.mark.parametrize(
    ("robustness", "uncertainty"),
    [
        ({}, {}),
        (
            {"shifts": {}, "corruption_error": {}, "flips": {}, "retention": {}, "groups": {}},
            {"ece": {}, "risk_coverage": {}, "abstention": {}, "conformal": {}, "unknown": None},
        ),
        (
            {
                "shifts": {"a": {"fit": None, "reason": "no model is left", "models": {}}},
                "flips": {"a": None},
                "groups": {"a": {"light": {"rows": []}}},
                "retention": {},
            },
            {"risk_coverage": {"a": {"coverage": [], "risk": []}}, "unknown": {"detectors": {}}},
        ),
    ],
)
def test_empty_parts_have_a_reason_and_no_made_up_zero(
    run: RunRecord, robustness: dict[str, Any], uncertainty: dict[str, Any]
) -> None:
    empty = replace(run, robustness=robustness, uncertainty=uncertainty)
    blocks = blocks_of(empty, "robustness", "uncertainty")
    shown_blocks = [b for b in blocks if getattr(b, "name", "") not in ("scatter", "heat_map")]
    titles = ("Effective robustness", "Corruption error", "Predictions gained and lost")
    for title in (*titles, "Forgetting curve", "Groups", "Conformal sets", "Unknown images"):
        (reason,) = [block.reason for block in absent_of(blocks) if title in block.title]
        assert len(reason) > 10
    words = shown(shown_blocks)
    assert "0.0 %" not in words
    assert "0.000" not in words
    assert "None" not in words


def test_what_is_absent_for_one_reason_is_named_in_one_sentence(run: RunRecord) -> None:
    reason = "robustness.json is absent: no reason"
    lost = replace(run, robustness=None, absent={"robustness.json": reason})
    (absent,) = absent_of(blocks_of(lost, "robustness"))
    assert absent.reason == reason
    assert absent.title == (
        "Effective robustness, Corruption error, Predictions gained and lost, Forgetting curve and "
        "Groups"
    )


def test_an_optional_section_needs_something_to_show(run: RunRecord) -> None:
    few_shot = [part for part in SECTIONS if part.id == "few-shot"]
    assert build_sections(run, few_shot) == []
    with house_style():
        (built,) = build_sections(
            with_protocol(run, [9, 9], {1: [0.5, 0.6], 4: [0.7, 0.8]}), few_shot
        )
    assert [type(block) for block in built.blocks] == [ReportFigure, Table]


def test_a_new_figure_is_a_function_and_a_line_in_a_section(tmp_path: Path) -> None:
    @figure("throw_away", "Throw-away", needs="ranking.json")
    def throw_away(run: RunRecord) -> ReportFigure | str:
        drawing = new_figure(3, 2)
        drawing.add_subplot().plot([0, 1], [0, len(run.scores.models)])
        return ReportFigure(drawing, "A line from 0 to 1.", "A line.", "up is more.")

    extra = Section("extra", "Extra", (throw_away,))
    folder = make_run(tmp_path / "run", 2, 1)
    write(folder, ["html"], [*SECTIONS, extra])
    assert "Throw-away (ranking.json is absent" in (folder / "report.html").read_text()
    (folder / "ranking.json").write_text("{}", encoding="utf-8")
    files = write(folder, ["html", "md"], [extra])
    assert {path.name for path in files} == {
        "report.html", "report.md", "throw_away.png", "throw_away.svg",
    }  # fmt: skip
    assert 'aria-label="A line from 0 to 1."' in (folder / "report.html").read_text()
    assert "(figures/throw_away.png)" in (folder / "report.md").read_text()
