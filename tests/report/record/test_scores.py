"""Look-ups in the scores against means computed here."""

import pytest

from adapt.report.record.scores import ScoreTable
from tests.helpers.report_fixture import make_scores


def test_mean_of_shifts_is_the_mean_of_stored_numbers() -> None:
    scores = make_scores(shifts=4)
    names = list(scores["data"]["evals"])[1:]
    stored = [scores["models"]["ensemble"][name] for name in names]
    assert ScoreTable(scores).shift_mean("ensemble") == pytest.approx(
        sum(s["accuracy"] for s in stored) / 4
    )
    value, bounds = ScoreTable(scores).shift_difference("ensemble")
    changes = [s["difference"]["accuracy"] for s in stored]
    assert value == pytest.approx(sum(c["difference"] for c in changes) / 4)
    assert bounds == pytest.approx([sum(c["ci"][side] for c in changes) / 4 for side in (0, 1)])
