"""What is no number is None."""

import pytest

from adapt.report.record.values import number


@pytest.mark.parametrize("text", ["", "nan", "inf", "word", None, True])
def test_what_is_no_number_is_none(text: object) -> None:
    assert number(text) is None
