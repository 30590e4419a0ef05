"""Look-ups in robustness.json."""

import pytest

from adapt.report.record.measures import entries, falls, id_name, line_of, shift_entries
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import make_scores, record


def test_shifts_are_in_recipe_order_and_unknown_ones_last(run: RunRecord) -> None:
    names = list(run.scores["data"]["evals"])[1:]
    shuffled = {"shifts": {"new": {}, **{name: {"n": 1} for name in reversed(names)}}}
    assert list(shift_entries(record(run.scores, robustness=shuffled))) == [*names, "new"]


@pytest.mark.parametrize(
    ("fit", "line", "falling"),
    [
        ({"slope": 0.5, "intercept": -1}, (0.5, -1.0), False),
        ({"slope": -0.5, "intercept": 0}, (-0.5, 0.0), True),
        ({"slope": 0.5}, None, False),
        (None, None, False),
    ],
)
def test_a_line_has_a_slope_and_an_intercept(fit: object, line: object, falling: bool) -> None:
    assert line_of({"fit": fit}) == line
    assert falls({"fit": fit}) is falling


def test_what_is_absent_is_empty() -> None:
    run = record(make_scores())
    assert entries(run, "flips") == {}
    assert id_name(run) == "test"
