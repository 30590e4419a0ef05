"""Ranges: the bounds, None, and sentences for all that is wrong."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from adapt.common.ranges import Range, Ranges, above, at_least, fraction, one_of, or_none


@pytest.mark.parametrize(
    ("given", "good", "bad"),
    [
        (at_least(1), [1, 1.0, 2, math.inf], [0, 0.999, -1, math.nan]),
        (above(), [1e-300, 5], [0, -0.1, math.nan]),
        (fraction(), [0, 0.5, 1], [-1e-9, 1.1, math.nan]),
        (fraction(zero=False), [1e-9, 1], [0, 1.1]),
        (fraction(one=False), [0, 0.99], [1, -0.1]),
        (fraction(zero=False, one=False), [0.5], [0, 1, math.nan]),
        (one_of(("a", "b")), ["a"], ["c", None, "ab"]),
        (or_none(above()), [None, 1], [0]),
    ],
    ids=lambda value: value.advice if isinstance(value, Range) else "",
)
def test_bounds(given: Range, good: list[Any], bad: list[Any]) -> None:
    assert all(map(given.holds, good))
    assert not any(map(given.holds, bad))


def test_every_setting_that_is_wrong_gets_its_sentence() -> None:
    ranges = Ranges(rank=at_least(1), kind=one_of(("a", "b")), alpha=or_none(at_least(0, "off")))
    ranges.check(SimpleNamespace(rank=1, kind="b", alpha=None))
    with pytest.raises(ValueError, match="rank") as caught:
        ranges.check(SimpleNamespace(rank=0, kind="c", alpha=-1.5))
    assert str(caught.value).splitlines() == [
        "rank - out of range - 0 - give 1 or more",
        "kind - not known - 'c' - choose one of a, b",
        "alpha - out of range - -1.5 - give null (choose) or 0 (off) or more",
    ]
