"""Processes that are started here end with this one."""

import subprocess
import sys
import time

import pytest

from adapt.errors import RunError
from adapt.training.processes import children as module
from adapt.training.processes.children import children


def test_they_end_when_their_input_does(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.stdin.read()"
    started: list[subprocess.Popen[bytes]] = []

    def start(given: list[str]) -> "subprocess.Popen[bytes]":
        assert given == ["module", "1234", str(1 + len(started)), "3", "cpu"]
        started.append(subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE))
        return started[-1]

    monkeypatch.setattr(module, "_start", start)
    with children(["module", "1234", "3", "cpu"]):
        assert [child.poll() for child in started] == [None, None]
    assert [child.returncode for child in started] == [0, 0]


def test_what_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    with (
        pytest.raises(RunError, match="no further process can be started"),
        children(["module", "1", "2", "cpu"]),
    ):
        pass


def test_a_wait_for_a_process_that_is_gone_ends(tmp_path: object) -> None:
    """In a process of its own, which the watch ends."""
    program = """
import subprocess, sys, time
from adapt.training.processes import children as module
module.GRACE = 0.2
module._start = lambda given: subprocess.Popen(
    [sys.executable, "-c", "import sys; sys.exit(7)"], stdin=subprocess.PIPE)
with module.children(["module", "1", "2", "cpu"]):
    time.sleep(60)
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 7
    assert "a process ended with code 7" in done.stderr
    assert time.monotonic() - began < 50
