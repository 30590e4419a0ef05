"""Steps are told to whoever listens, and shown as lines no more often than every ten seconds."""

import io
import sys

import pytest

from adapt.common.progress import Lines, lines_unless, telling, told, track, write_line


def test_nobody_listens_and_items_pass_through() -> None:
    assert list(track(iter("abc"), "spelling")) == ["a", "b", "c"]
    assert told() is None


def test_an_item_counts_when_it_is_done() -> None:
    seen: list[tuple[str, int, int]] = []
    with telling(lambda *what: seen.append(what)):
        for item in track([10, 20], "adding"):
            assert seen[-1] == ("adding", item // 10 - 1, 2), "the item at hand is not done yet"
        with telling(None):
            list(track([1], "unseen"))
    assert seen == [("adding", 0, 2), ("adding", 1, 2), ("adding", 2, 2)]
    assert told() is None


def test_lines_come_every_ten_seconds() -> None:
    now, lines = 0.0, list[str]()
    shown = Lines(lines.append, lambda: now)
    for second in range(36):
        now = float(second)
        shown("reading images", 100 * second, 0 if second > 30 else 5000)
    assert lines == [
        "reading images: 1,000 of 5,000, 100 per second, 40 s left",
        "reading images: 2,000 of 5,000, 100 per second, 30 s left",
        "reading images: 3,000 of 5,000, 100 per second, 20 s left",
    ]


def test_a_step_that_begins_again_has_a_pace_of_its_own() -> None:
    now, lines = 0.0, list[str]()
    shown = Lines(lines.append, lambda: now)
    for second, done in [(0, 0), (5, 500), (9, 900), (10, 0), (30, 40), (31, 41)]:
        now = float(second)
        shown("encoding", done, 0)
    assert lines == ["encoding: 40, 2.0 per second"]


def test_no_pace_is_told_of_a_step_that_has_just_begun() -> None:
    now, lines = 0.0, list[str]()
    shown = Lines(lines.append, lambda: now)
    for second, done in [(20, 0), (20.00002, 1), (40, 0), (40.5, 1)]:
        now = float(second)
        shown("reading files", done, 19)
        shown.last = 0.0
    assert lines == ["reading files: 1 of 19", "reading files: 1 of 19, 2.0 per second, 9 s left"]


def test_a_total_that_is_found_by_and_by() -> None:
    totals, seen = iter([0, 0, 9]), list[tuple[str, int, int]]()
    with telling(lambda *what: seen.append(what)):
        list(track("ab", "spelling", lambda: next(totals)))
    assert seen == [("spelling", 0, 0), ("spelling", 1, 0), ("spelling", 2, 9)]


@pytest.mark.parametrize("quiet", [True, False])
def test_lines_unless_quiet_or_told_already(quiet: bool) -> None:
    with lines_unless(quiet):
        assert isinstance(told(), Lines) != quiet
    shown = Lines()
    with telling(shown), lines_unless(quiet):
        assert told() is (None if quiet else shown)


def test_a_program_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    write_line("nobody reads this")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    write_line("somebody does")
    assert isinstance(sys.stderr, io.StringIO)
    assert sys.stderr.getvalue() == "somebody does\n"
