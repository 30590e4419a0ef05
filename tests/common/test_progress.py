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
        "reading images: 1,000 of 5,000",
        "reading images: 2,000 of 5,000",
        "reading images: 3,000 of 5,000",
    ]


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
