"""Ranges: the bounds, None, and sentences for all that is wrong."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from adapt.common.ranges import (
    Range,
    Ranges,
    above,
    at_least,
    each,
    fraction,
    matching,
    not_empty,
    one_of,
    or_none,
    ranges_of,
    some_of,
    within,
)


@pytest.mark.parametrize(
    ("given", "good", "bad"),
    [
        (at_least(1), [1, 1.0, 2, 1_000_000], [0, 0.999, -1, math.nan, 10**22, math.inf]),
        (above(), [1e-300, 5], [0, -0.1, math.nan, math.inf]),
        (fraction(), [0, 0.5, 1], [-1e-9, 1.1, math.nan]),
        (fraction(zero=False), [1e-9, 1], [0, 1.1]),
        (fraction(one=False), [0, 0.99], [1, -0.1]),
        (fraction(zero=False, one=False), [0.5], [0, 1, math.nan]),
        (one_of(("a", "b")), ["a"], ["c", None, "ab"]),
        (or_none(above()), [None, 1], [0]),
        (within(2, 5), [2, 3, 5], [1, 6, math.nan]),
        (some_of(("a", "b"), least=1), [["b", "a"], ["a"]], [[], ["a", "a"], ["c"]]),
        (each(within(1, 2), once=True), [[], [1, 2]], [[1, 1], [3]]),
        (matching("a+|b", "", ""), ["aa", "b"], ["", "ab", "c"]),
        (not_empty(), ["x", [1]], ["", " ", []]),
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
        "rank - out of range - 0 - give 1 or more, at most 1,000,000",
        "kind - not known - 'c' - choose one of a, b",
        "alpha - out of range - -1.5 - give null (choose) or 0 (off) or more, at most 1,000,000",
    ]


def test_every_wrong_item_of_a_list_gets_its_sentence() -> None:
    assert each(within(1, 5)).sentence("shots", [0, 2, 9]).splitlines() == [
        "shots[0] - out of range - 0 - give 1 to 5",
        "shots[2] - out of range - 9 - give 1 to 5",
    ]
    assert each(within(1, 5), once=True).sentence("shots", [2, 2]) == (
        "shots - listed twice - [2, 2] - give each once"
    )
    formats = some_of(("html", "md"), least=1)
    assert formats.sentence("formats", ["hmtl", "md"]) == (
        "formats[0] - not known, did you mean 'html'? - 'hmtl' - choose from html, md"
    )
    assert formats.sentence("formats", ["md", "md"]).startswith("formats - listed twice")
    assert formats.sentence("formats", []).startswith("formats - empty")
    assert or_none(formats).sentence("formats", ["hmtl"]).startswith("formats[0] - not known, did")


def test_a_class_adds_to_the_ranges_of_its_bases() -> None:
    class Base:
        ranges = Ranges(a=at_least(1), b=above())

    class Own(Base):
        ranges = Ranges(b=fraction())

    assert {name: given.advice for name, given in ranges_of(Own).items()} == {
        "a": at_least(1).advice,
        "b": fraction().advice,
    }
