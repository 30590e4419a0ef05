"""What the guard did, in words."""

import pytest

from adapt.report.record.guard import guard_approval, guard_warnings, held_out_images, stepped_back
from adapt.report.record.scores import ScoreTable
from tests.helpers.report_fixture import make_guard


@pytest.mark.parametrize(
    ("outcome", "changed"), [("kept", False), ("lowered", True), ("fallback", True)]
)
def test_a_step_back_is_a_warning_and_a_kept_choice_is_not(outcome: str, changed: bool) -> None:
    scores = ScoreTable({"guard": make_guard(outcome)})
    reason = scores["guard"]["reason"]
    assert stepped_back(scores) is changed
    told, silent = guard_warnings(scores), guard_approval(scores)
    (sentence,) = told if changed else silent
    assert sentence.startswith(reason)
    assert not (silent if changed else told)


def test_without_a_guard_nothing_is_said() -> None:
    assert guard_warnings(ScoreTable({})) == guard_approval(ScoreTable({})) == []


def test_images_are_counted() -> None:
    assert [held_out_images(entry) for entry in ({"n": 1}, {"n": 12}, {})] == [
        "1 image", "12 images", "held-out images",
    ]  # fmt: skip
