"""A bar on a terminal, lines elsewhere, nothing without standard error."""

import io
import sys

import pytest
from rich.progress import Progress

from adapt.cli.shared.progress import Pace, progress_shown
from adapt.common.progress import Lines, told, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress_shown():
        assert told() is not None
        for item in track(range(3), "reading images"):
            if item == 1:
                print("a line between", file=sys.stderr)
                told()("reading images", 1, 3)  # type: ignore[misc]  # asserted above
    assert "reading images" in terminal.getvalue()
    assert "a line between" in terminal.getvalue()


def test_the_pace_of_a_step() -> None:
    now = 0.0
    with Progress(get_time=lambda: now, disable=True) as bars:
        bars.add_task("predicting", total=100)
        (task,) = bars.tasks
        assert Pace().render(task).plain == ""
        bars.update(task.id, completed=79)
        now = 4.0
        bars.update(task.id, completed=80)
        assert Pace().render(task).plain == "20 per second"


def test_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_shown():
        assert isinstance(told(), Lines)
    with progress_shown(quiet=True):
        assert told() is None
    monkeypatch.setattr(sys, "stderr", None)
    with progress_shown():
        assert told() is None
