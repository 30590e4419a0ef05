"""The tables of a comparison show the numbers of `diff.json`."""

from typing import Any

import pytest

from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.report.comparison.tables import (
    ROWS,
    confidence_table,
    cost_lines,
    cost_table,
    parts_table,
    sets_table,
)
from tests.helpers.paired import compared, many


@pytest.fixture
def content(toy_test: ImageList) -> dict[str, Any]:
    """A comparison with two shifts."""
    return compared(many(toy_test), "fog", "sketch")


def test_every_set_has_a_row(content: dict[str, Any]) -> None:
    content["sets"]["fog"]["shift"] = vars(Shift("fog", 3))
    rows = sets_table(content).rows
    assert [row[0].text for row in rows] == ["test", "fog (fog 3)", "sketch", "mean of 2 shifts"]
    own = content["sets"]["test"]["accuracy"]
    _, images, before, after, change, p, fixed, broken = rows[0]
    assert images.text == "180"
    assert before.text == f"{100 * own['a']:.1f} %"
    assert after.note == f"{100 * own['b_ci'][0]:.1f} to {100 * own['b_ci'][1]:.1f}"
    assert change.text == f"{100 * (own['b'] - own['a']):+.1f}"
    assert change.note == f"{100 * own['ci'][0]:+.1f} to {100 * own['ci'][1]:+.1f}"
    assert (change.change, change.tone) == ("▲", "better")
    assert p.text == "< 0.001"
    assert (fixed.text, broken.text) == (str(own["fixed"]), str(own["broken"]))
    assert rows[3][4].text == f"{100 * content['shift_mean']['difference']:+.1f}"


def test_the_middle_of_a_long_table_is_left_out(content: dict[str, Any]) -> None:
    row = content["sets"]["test"]["per_class"][0]
    many_rows = [row | {"name": str(number)} for number in range(ROWS + 5)]
    table = parts_table("By class", "class", many_rows)
    names = [cells[0].text for cells in table.rows]
    assert names == [str(n) for n in range(ROWS // 2)] + [str(n) for n in range(35, 65)]
    assert "5 rows in the middle are in `diff.json`" in table.legend
    assert table.folded
    assert not parts_table("By class", "class", many_rows[:3]).folded


def test_confidence(content: dict[str, Any]) -> None:
    own = content["sets"]["test"]
    rows = {row[1].text: row for row in confidence_table(content).rows[:6]}
    ece = [own["scores"][side]["ece"] for side in ("a", "b")]
    shown = rows["calibration error"]
    assert [cell.text for cell in shown[2:4]] == [f"{value:.3f}" for value in ece]
    assert shown[4].text == f"{ece[1] - ece[0]:+.3f}"
    assert f"{own['ece_by_chance']['a']['most']:.3f}" in shown[2].note
    assert rows["mean size of a set"][3].text == f"{own['sets']['b']['size']:.2f}"
    answered = [own["answered"][side]["coverage"] for side in ("a", "b")]
    assert rows["answered"][4].text == f"{100 * (answered[1] - answered[0]):+.1f}"
    content["sets"] = {"test": own | {"sets": None, "answered": None}}
    assert len(confidence_table(content).rows) == 2


def test_cost(content: dict[str, Any]) -> None:
    single, batch, size = cost_table(content).rows
    assert [cell.text for cell in single] == ["latency, one image", "4.0 ms", "4.0 ms", "+25 %"]
    assert cost_lines(content) == [
        "latency, one image: 4.0 ms → 4.0 ms (+25 %, median of the rounds)",
        "latency, batches of 8: 4.0 ms → 4.0 ms (+25 %, median of the rounds)",
        "size on disk: 2.0 MB → 1.0 MB (-50 %)",
    ]
    assert single[1].note == "3.5 to 9.2"
    assert batch[0].text == "latency, batches of 8"
    assert [cell.text for cell in size] == ["size on disk", "2.0 MB", "1.0 MB", "-50 %"]
    content.update(latency=None, no_latency="runs stored the answers")
    content["b"]["bytes"] = None
    table = cost_table(content)
    assert table.legend == "Latency was not measured: runs stored the answers."
    assert [cell.text for cell in table.rows[0]] == ["size on disk", "2.0 MB", "n/a", "n/a"]
    assert cost_lines(content) == ["latency: not measured, runs stored the answers"]
