"""What was not measured, in one line."""

from adapt.report.front.absent import not_measured
from adapt.report.record.read import Absent


def test_titles_with_one_reason_stand_together_in_order() -> None:
    parts = [Absent("B", "two"), Absent("A", "one"), Absent("C", "two")]
    assert not_measured(parts) == "B and C (two); A (one)."
    assert not_measured([]) == ""
