"""Processes that this one starts on its machine, one for each further device."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from adapt.common.signals import last_words
from adapt.errors import RunError

GRACE = 30.0
"""Seconds in which this process should fail by itself once another is gone."""
ENDING = 10.0
"""Seconds that the others have to end."""


@contextmanager
def children(words: Sequence[str]) -> Iterator[None]:
    """While inside, the other processes of a group are there; they end with this one.

    Args:
        words: Module that they run, port of the store in this process, number of all processes,
            and device; they are told their rank before the number.

    Raises:
        RunError: When a process cannot be started.
    """
    started: list[subprocess.Popen[bytes]] = []
    closing = threading.Event()
    try:
        module, port, size, *more = words
        for rank in range(1, int(size)):
            started.append(_start([module, port, str(rank), size, *more]))
        threading.Thread(target=_watch, args=(started, closing), daemon=True).start()
        yield
    finally:
        closing.set()
        _end(started)


def _start(given: list[str]) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", *given]
    try:
        # It ends when its standard input does, whatever becomes of this process.
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
    except OSError as error:
        raise RunError(
            f"runtime.devices - no further process can be started - {error} - give fewer"
        ) from error


def _watch(started: list["subprocess.Popen[bytes]"], closing: threading.Event) -> None:
    """End this process where another is gone and it waits for that one: no wait is endless."""
    while not closing.wait(0.5):
        codes = [code for child in started if (code := child.poll()) is not None]
        if codes and not closing.wait(GRACE):
            last_words(
                f"RunError: runtime.devices - a process ended with code {codes[0]} - its own words "
                "are above, if it had any - begin again with --resume"
            )
            os._exit(codes[0] if codes[0] > 0 else RunError.exit_code)


def _end(started: list["subprocess.Popen[bytes]"]) -> None:
    for child in started:
        assert child.stdin is not None
        with suppress(OSError):
            child.stdin.close()
    for child in started:
        try:
            child.wait(ENDING)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
