"""What a first and a second signal do, in this process and in one of its own."""

import os
import signal

import pytest

from adapt.common import signals
from tests.helpers.commands import start


def send(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_ends_a_command(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), signals.for_a_command() as received:
        send(number)
    assert received == ["Ctrl-C" if number == signal.SIGINT else "SIGTERM"]
    assert signal.getsignal(number) is before


def test_a_step_is_finished_first(capsys: pytest.CaptureFixture[str]) -> None:
    steps = []
    with signals.finishing() as asked:
        for step in range(5):
            if step == 2:
                send()
            steps.append(step)
            if asked():
                break
    assert steps == [0, 1, 2]
    assert capsys.readouterr().err.startswith("Ctrl-C: this step is finished and saved")
    with pytest.raises(KeyboardInterrupt):  # and afterwards it is as it was
        send()


def test_outside_of_a_command_a_second_signal_is_an_exception() -> None:
    with signals.finishing() as asked:
        send()
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            send()
    with signals.finishing() as asked:
        assert not asked(), "signals of an earlier training do not count"


def test_what_others_handle_is_left_to_them() -> None:
    mine: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: mine.append(number))
    try:
        with signals.finishing() as asked:
            send(signal.SIGTERM)
            assert not asked()
        assert mine == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


TWICE = """
import os, signal, sys, time
from adapt.common.signals import finishing, for_a_command
with for_a_command(), finishing():
    os.kill(os.getpid(), signal.SIGINT)
    print("goes on", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("never", flush=True)
"""


def test_a_second_signal_ends_a_command_at_once() -> None:
    out, err = (process := start(code=TWICE)).communicate(timeout=60)
    assert (process.returncode, out) == (5, "goes on\n")
    assert err.splitlines()[-1] == "stopped at once; what was saved before is kept"


FORKED = """
import os, signal
from adapt.common.signals import for_a_command
with for_a_command() as received:
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), received)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_loading_process_ends_as_usual() -> None:
    out, err = start(code=FORKED).communicate(timeout=60)
    assert out.split() == [str(-signal.SIGTERM), "[]"], err


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="a notice of POSIX schedulers")
def test_a_notice_is_never_the_second_signal(capsys: pytest.CaptureFixture[str]) -> None:
    """A scheduler announces the end, then sends SIGTERM: the step is finished all the same."""
    with signals.for_a_command() as received, signals.finishing() as asked:
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1):
            send(number)
        assert asked()
    assert received == ["SIGUSR1", "SIGUSR1", "SIGTERM", "SIGUSR1"]
    assert capsys.readouterr().err == "SIGUSR1: this step is finished and saved\n"


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="a notice of POSIX schedulers")
def test_a_notice_between_steps_ends_a_command() -> None:
    with pytest.raises(KeyboardInterrupt), signals.for_a_command() as received:
        send(signal.SIGUSR1)
    assert received == ["SIGUSR1"]
