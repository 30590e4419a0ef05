"""What Ctrl-C, SIGTERM and a closed terminal do: the first ends in order, the second at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from adapt.errors import RunError

NOTICE = "SIGUSR1"
"""How SLURM announces the end (`--signal=USR1@60`): others may follow, and nobody is impatient."""
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK", NOTICE)
"""Those of them that the system has."""
SHOWN = {"SIGINT": "Ctrl-C"}


class Stops:
    """The signals of this process that ask it to end.

    A step that must not be cut short is run inside `finishing`: the first signal is then only
    noted. Everywhere else it raises `KeyboardInterrupt`. A second signal ends the process, except
    for the notice of a scheduler, before or after it.
    """

    def __init__(self) -> None:
        self.received: list[str] = []
        """Names as shown, in their order."""
        self.commands = 0
        self.unfinished = 0
        self.process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        name = signal.Signals(number).name
        if os.getpid() != self.process:  # a loading process, forked from this one
            if name == NOTICE:  # to all processes of a job; the main one acts
                return
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.received.append(SHOWN.get(name, name))
        again = name != NOTICE and sum(word != NOTICE for word in self.received) > 1
        if again and self.commands:
            last_words("stopped at once; what was saved before is kept")
            os._exit(RunError.exit_code)
        if self.unfinished and not again:
            if len(self.received) == 1:
                more = "" if name == NOTICE else "; again to stop at once"
                last_words(f"{self.received[0]}: this step is finished and saved{more}")
            return
        raise KeyboardInterrupt

    def install(self) -> dict[int, Any]:
        """Take the signals over, as far as nobody else has; returns who had them before.

        Signals that are ignored stay so: those of a command under `nohup`, or in the background.
        """
        if threading.current_thread() is not threading.main_thread():
            return {}
        free = (signal.SIG_DFL, signal.default_int_handler, self)
        numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}
        before = {number: handler for number, handler in before.items() if handler in free}
        self.process = os.getpid()
        for number in before:
            signal.signal(number, self)
        return before


_STOPS = Stops()


@contextmanager
def for_a_command() -> Iterator[list[str]]:
    """While inside, a first signal raises `KeyboardInterrupt`, a second ends the process.

    Returns:
        The signals received, by the name under which they are shown.
    """
    _STOPS.commands += 1
    _STOPS.received.clear()
    before = _STOPS.install()
    try:
        yield _STOPS.received
    finally:
        _STOPS.commands -= 1
        _restore(before)


@contextmanager
def finishing() -> Iterator[Callable[[], bool]]:
    """While inside, a first signal is only noted, so that the step can be finished.

    Returns:
        Whether a signal came; to be asked after every step.

    >>> with finishing() as asked:
    ...     asked()
    False
    """
    if not _STOPS.commands and not _STOPS.unfinished:
        _STOPS.received.clear()
    before = _STOPS.install()
    _STOPS.unfinished += 1
    try:
        yield lambda: bool(_STOPS.received)
    finally:
        _STOPS.unfinished -= 1
        _restore(before)


def take_over() -> None:
    """Put the handler of `finishing` back where a library has put its own."""
    if _STOPS.unfinished and threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not (
                signal.SIG_IGN
            ):
                signal.signal(getattr(signal, name), _STOPS)


def leave_to_main() -> None:
    """In a loading process: these are for the main process, which ends the others."""
    for name in ("SIGINT", NOTICE):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def last_words(text: str) -> None:
    """Print on standard error, if there is one; a stream that fails now changes no exit code."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
