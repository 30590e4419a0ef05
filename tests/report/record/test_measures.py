"""Look-ups in robustness.json."""

import pytest

from adapt.report.record.measures import (
    entries,
    id_name,
    line_of,
    line_points,
    no_line,
    shift_entries,
)
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import make_scores, record


def test_shifts_are_in_recipe_order_and_unknown_ones_last(run: RunRecord) -> None:
    names = list(run.scores["data"]["evals"])[1:]
    shuffled = {"shifts": {"new": {}, **{name: {"n": 1} for name in reversed(names)}}}
    assert list(shift_entries(record(run.scores, robustness=shuffled))) == [*names, "new"]


@pytest.mark.parametrize(
    ("fit", "line"),
    [({"slope": 0.5, "intercept": -1}, (0.5, -1.0)), ({"slope": 0.5}, None), (None, None)],
)
def test_a_line_has_a_slope_and_an_intercept(fit: object, line: object) -> None:
    assert line_of({"fit": fit}) == line


def test_points_of_a_line_are_pairs_of_numbers() -> None:
    assert line_points({"references": [[0.1, 0.2], [0.3, None]]}) == [(0.1, 0.2)]
    assert line_points({}) == []


def test_what_to_bring_is_said_where_there_is_no_line_at_all(run: RunRecord) -> None:
    assert no_line(run) == ""
    reason = "no reference models were measured on the shift"
    entry = {"fit": None, "reason": reason, "models": {"a": {}}}
    shifts = {"sketch": entry, "fog": entry}
    words = no_line(record(run.scores, robustness={"shifts": shifts}))
    assert words.startswith(
        "no reference models were measured on the shift. To state it, measure ten or more"
    )
    assert "`robustness.reference`" in words


def test_what_is_absent_is_empty() -> None:
    run = record(make_scores())
    assert entries(run, "flips") == {}
    assert id_name(run) == "test"
