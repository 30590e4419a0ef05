"""Numbers in words, where rounding could mislead."""

import pytest

from adapt.report.record.words import decimal, enumerated, points, shorten, size, span


def test_a_difference_that_rounds_to_zero_has_no_minus() -> None:
    assert points(-0.0004) == "+0.0"
    assert size(-0.0096) == "1.0 point"


def test_what_is_not_known_is_not_zero() -> None:
    assert (decimal(None), points(None), span(None)) == ("n/a", "n/a", "")


@pytest.mark.parametrize("length", [5, 6, 28])
def test_a_shortened_name_keeps_both_ends(length: int) -> None:
    short = shorten("first part and last part", length)
    assert len(short) <= length
    assert short[0] == "f"
    assert short[-1] == "t"


def test_a_list_is_never_longer_than_asked() -> None:
    assert enumerated(list("abcdef"), 6) == "a, b, c, d, e and f"
    assert enumerated(list("abcdefg"), 6) == "a, b, c, d, e, f and 1 more"
    assert enumerated([]) == ""
