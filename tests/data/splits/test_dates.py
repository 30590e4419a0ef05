"""Dates are read, put in order, and cut so that the newest images are held out."""

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.data.splits.dates import cut_by_date, in_order, read_moment
from adapt.data.splits.groups import own_groups
from adapt.errors import RecipeError

DAYS = st.integers(0, 12).map(lambda days: (date(2024, 2, 25) + timedelta(days)).isoformat())


DATED = st.lists(st.tuples(st.sampled_from("abc"), DAYS, st.integers(0, 5)), min_size=1)


@given(DATED, st.floats(0.01, 0.99), st.booleans())
@settings(deadline=None)
def test_a_date_cut_is_a_cut(
    rows: list[tuple[str, str, int]], fraction: float, grouped: bool
) -> None:
    labels, dates = [row[0] for row in rows], [row[1] for row in rows]
    groups = [str(row[2]) for row in rows] if grouped else None
    cut = cut_by_date(dates, labels, fraction, groups)
    assert sorted([*cut.train, *cut.val]) == list(range(len(rows)))
    when = list(dates)
    if groups:
        when = [max(d for d, g in zip(dates, groups, strict=True) if g == own) for own in groups]
        assert not {groups[i] for i in cut.train} & {groups[i] for i in cut.val}
    if len(set(when)) == 1:
        assert len(cut.val) == 0
        return
    assert {labels[i] for i in cut.train} == set(labels), "every class can be learned"
    assert all(when[i] >= cut.first for i in cut.val)
    early = {labels[i] for i in range(len(rows)) if when[i] < cut.first}
    assert cut.late == sorted(set(labels) - early)
    if not cut.late:
        assert all(when[i] < cut.first for i in cut.train)
    wanted, count = fraction * len(rows), sum(day >= cut.first for day in when)
    others = [sum(day >= step for day in when) for step in sorted(set(when))[1:]]
    assert abs(count - wanted) == min(abs(other - wanted) for other in others)
    turned = cut_by_date(dates[::-1], labels[::-1], fraction, groups[::-1] if groups else None)
    last = len(rows) - 1
    assert sorted(last - i for i in turned.val) == cut.val.tolist(), "order plays no part"


def test_a_class_that_came_late_goes_to_train() -> None:
    dates = ["2024-01-01"] * 8 + ["2024-01-02"] * 4
    cut = cut_by_date(dates, ["a"] * 9 + ["b"] * 2 + ["a"], 0.3)
    assert (cut.val.tolist(), cut.late, cut.first) == ([8, 11], ["b"], "2024-01-02")
    groups = [str(i) for i in range(9)] + ["9", "10", "10"]
    grouped = cut_by_date(dates, ["a"] * 9 + ["b"] * 2 + ["a"], 0.3, groups)
    assert grouped.val.tolist() == [8]
    with pytest.raises(RecipeError, match="dates - wrong length - 1 dates and 2 groups for 2"):
        cut_by_date(["2024-01-01"], ["a", "b"], 0.5)
    with pytest.raises(RecipeError, match=r"fraction - out of range - 1\.0"):
        cut_by_date(["2024-01-01"], ["a"], 1.0)


STAMPS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(STAMPS, st.one_of(st.none(), ZONES), st.sampled_from("T "))
@settings(deadline=None)
def test_timestamps_are_read_as_python_does(
    stamp: datetime, zone: timezone | None, between: str
) -> None:
    stamp = stamp.replace(tzinfo=zone)
    moment = read_moment(stamp.isoformat(between))
    assert moment is not None
    assert moment.instant == stamp
    assert moment.day == stamp.date()
    day = read_moment(stamp.date().isoformat())
    assert day is not None
    assert (day.day, day.instant) == (stamp.date(), None)


@given(st.lists(st.tuples(STAMPS, ZONES), min_size=1, max_size=20))
@settings(deadline=None)
def test_instants_sort_in_any_zone(stamps: list[tuple[datetime, timezone]]) -> None:
    aware = [stamp.replace(tzinfo=zone) for stamp, zone in stamps]
    texts, odd = in_order([read_moment(stamp.isoformat()) for stamp in aware])  # type: ignore[misc]
    assert odd is None
    by_text = sorted(range(len(aware)), key=lambda i: texts[i])
    assert [aware[i] for i in by_text] == sorted(aware)


@pytest.mark.parametrize(
    "text",
    ["", "2024", "2024-1-1", "31.12.2024", "2024-02-30", "2024-01-01T25:00", "1704067200",
     "2024:01:31 10:00:00", "0001-01-01T00:00+10:00", "2024-01-01T10", "yesterday"],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    assert read_moment(text) is None


def test_days_and_times_together() -> None:
    texts = ["2024-05-31", "2024-05-31T23:59Z", "2024-06-01 08:00"]
    moments = [moment for text in texts if (moment := read_moment(text))]
    assert in_order(moments) == (["2024-05-31", "2024-05-31", "2024-06-01"], None)
    assert in_order(moments[1:]) == ([], 1)
    assert own_groups(["", "x", "nan"], ["0", "1", "2"]) == ["image 0", "x", "nan"]
