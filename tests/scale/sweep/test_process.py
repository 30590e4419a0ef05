"""The process of a run: how it ends, what it records, what stops it."""

import os
import signal
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from adapt.common.signals import for_a_command
from adapt.scale.sweep import process
from adapt.scale.sweep.process import attempt, exit_sentence, main, stop_at_end
from adapt.scale.sweep.task import RunOutcome, SweepTask, outcome_of


@pytest.fixture
def task(tmp_path: Path) -> SweepTask:
    return SweepTask("a", str(tmp_path), "nowhere.yaml", None, [], "")


@pytest.fixture
def given(task: SweepTask, monkeypatch: pytest.MonkeyPatch) -> int:
    """Descriptor that the task can be read from; the other end stays open."""
    read, write = os.pipe()
    os.write(write, task.to_line().encode())
    monkeypatch.setattr(process, "STDIN", read)
    return write


def test_a_failure_is_recorded_with_its_reason(
    task: SweepTask,
    given: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    clock = SimpleNamespace(monotonic=iter((10.0, 13.504)).__next__)
    monkeypatch.setattr(process, "time", clock)
    assert main() == 2
    outcome = outcome_of(task)
    assert outcome.state == "failed"
    assert "nowhere.yaml" in outcome.reason
    assert outcome.seconds == 3.5
    assert "RecipeError: " in capfd.readouterr().err
    os.close(given)


def test_an_unexpected_error_leaves_its_traceback(
    task: SweepTask,
    given: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by\nnothing")

    monkeypatch.setattr(process, "load", broken)
    assert main() == 1
    assert outcome_of(task).reason == "ZeroDivisionError: by nothing"
    assert "Traceback" in capfd.readouterr().err
    os.close(given)


def test_the_end_of_the_pipe_stops_it_and_nothing_is_recorded(
    task: SweepTask, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the sweep has died: the run is stopped like by SIGTERM."""
    waiting = threading.Event()

    def slow(_: SweepTask) -> tuple[RunOutcome, int]:
        os.close(given)
        waiting.wait(60)
        raise AssertionError("never stopped")

    monkeypatch.setattr(process, "attempt", slow)
    assert main() == 130
    assert not task.outcome_file.exists()


def test_what_failed_by_a_signal_is_no_failure(
    task: SweepTask, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: SweepTask) -> tuple[RunOutcome, int]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            return RunOutcome("failed", "a worker has died"), 5
        return RunOutcome("finished"), 0

    monkeypatch.setattr(process, "attempt", interrupted)
    assert main() == 130
    assert not task.outcome_file.exists()
    os.close(given)


def test_only_the_end_of_the_pipe_counts() -> None:
    read, write = os.pipe()
    os.write(write, b"more")
    os.close(write)
    over = threading.Event()
    with for_a_command() as signals, pytest.raises(KeyboardInterrupt):
        stop_at_end(read, over)
    assert signals == ["SIGTERM"]
    over.set()
    stop_at_end(read, over)  # nothing happens
    os.close(read)


def test_an_earlier_process_of_the_run_is_waited_for(
    task: SweepTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.folder.mkdir(parents=True)
    order: list[str] = []
    lock = FileLock(task.folder / ".lock", thread_local=False)
    lock.acquire()

    class Recipe:
        resolved: dict[str, object] = {}  # noqa: RUF012

    def free() -> None:
        order.append("saved")
        lock.release()

    monkeypatch.setattr(process, "load", lambda *_, **__: Recipe())
    monkeypatch.setattr(process, "digest_of", lambda _: task.digest)
    monkeypatch.setattr("adapt.runs.run.run", lambda *_, **__: order.append("run"))
    threading.Timer(0.2, free).start()
    assert attempt(task) == (RunOutcome("finished"), 0)
    assert order == ["saved", "run"]


def test_why_a_process_ended_that_said_nothing() -> None:
    done = subprocess.run(["/bin/sh", "-c", "kill -KILL $$"], check=False)
    assert exit_sentence(done.returncode).startswith("the process was killed (SIGKILL)")
    assert exit_sentence(-signal.SIGSEGV) == "the process was killed (SIGSEGV)"
    assert exit_sentence(-250) == "the process was killed (signal 250)"
    assert exit_sentence(7) == "the process ended with exit code 7 and said nothing"
