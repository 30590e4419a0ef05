"""Loading processes: what they need of shared memory, and what is said where one dies or hangs."""

import multiprocessing
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2

from adapt.common.progress import write_line
from adapt.common.signals import leave_to_main
from adapt.common.words import plural, size_text
from adapt.errors import RunError

SHARED = Path("/dev/shm")
"""Where processes of Linux hand images over; a container of Docker has 64 MB of it."""
AHEAD = 2
"""Batches that each loading process makes before they are asked for; PyTorch's own number."""
PATIENCE = 300.0
"""Seconds to wait for a batch, which takes one or two where all is well."""
SECONDS_TO_END = 5.0
MORE_MEMORY = "give the container more (docker run --shm-size=8g)"
CAUSES = {
    "Killed": "as the system does when memory runs out",
    "Bus error": "as where shared memory is full",
}


def shared_memory() -> tuple[int, int] | None:
    """Free and all bytes of the memory that processes share; None where there is no such limit."""
    if not SHARED.is_dir():
        return None
    usage = shutil.disk_usage(SHARED)
    return usage.free, usage.total


def bytes_in_flight(workers: int, batch: int) -> int:
    """The most that lies in shared memory: batches made ahead, and the one that is taken out.

    Args:
        workers: Loading processes.
        batch: Bytes of a batch.

    >>> bytes_in_flight(2, 1000), bytes_in_flight(0, 1000)
    (5000, 0)
    """
    return (workers * AHEAD + 1) * batch if workers else 0


def workers_that_fit(
    workers: int, batch: int, chosen: bool, tell: Callable[[str], None] = write_line
) -> int:
    """As many loading processes as there is shared memory for.

    Args:
        workers: How many there would be.
        batch: Bytes of a batch.
        chosen: Whether somebody asked for that number; otherwise there may be fewer.
        tell: Called with a sentence where there are fewer.

    Raises:
        RunError: When a chosen number does not fit.
    """
    memory, needed = shared_memory(), bytes_in_flight(workers, batch)
    if memory is None or needed <= memory[0]:
        return workers
    fitting = min(workers, max(0, (memory[0] // batch - 1) // AHEAD))
    told = (
        f"{plural(workers, 'loading process')} would hold {size_text(needed)} there, "
        f"{_shown(memory)}"
    )
    if chosen:
        raise RunError(
            f"runtime.workers - too little shared memory - {told} - set runtime.workers={fitting} "
            f"or {MORE_MEMORY}"
        )
    left = plural(fitting, "process") if fitting else "the main process"
    tell(f"too little shared memory: {told}; {left} will load images: to be faster, {MORE_MEMORY}")
    return fitting


def patience(workers: int) -> float:
    """Seconds that a loader waits for a batch; 0, without an end, where no process makes it."""
    return PATIENCE if workers else 0.0


def start_worker(worker: int) -> None:
    """Begin a loading process: no threads of OpenCV, as it has one core for itself, and no Ctrl-C.

    Signals are for the main process, which ends the others when it has finished its step. If it is
    killed, they end with it: PyTorch looks at the parent, which lives on in a fork server.

    Args:
        worker: Number of the process; not used.
    """
    leave_to_main()
    cv2.setNumThreads(0)
    if main := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(main,), daemon=True).start()


def _end_with(main: BaseProcess) -> None:
    main.join()
    os._exit(1)


@contextmanager
def watched_workers() -> Iterator[None]:
    """Within, a loading process that dies or hangs is an error that says what to do.

    Raises:
        RunError: Names the process, and the size of shared memory.
    """
    before = {child.pid for child in multiprocessing.active_children()}
    try:
        yield
    except RuntimeError as error:
        own = [child for child in multiprocessing.active_children() if child.pid not in before]
        reason = _reason(error, [child.pid or 0 for child in own])
        if reason is None:
            raise
        _end(own)
        raise RunError(
            f"loading images - {reason} - {_shown(shared_memory())} - set runtime.workers=0 or "
            f"{MORE_MEMORY}, and go on with --resume"
        ) from error


def _end(processes: list[BaseProcess]) -> None:
    """End processes, also those that hang in the system or a decoder and see no gentler signal."""
    main = threading.current_thread() is threading.main_thread()
    quiet = main and hasattr(signal, "SIGCHLD")
    # PyTorch's handler would print that a loading process was killed.
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if quiet else None
    for process in processes:
        process.kill()
        process.join(SECONDS_TO_END)
    if before is not None:
        signal.signal(signal.SIGCHLD, before)


def _shown(memory: tuple[int, int] | None) -> str:
    if memory is None:
        return f"there is no {SHARED} here"
    return f"{SHARED} has {size_text(memory[0])} free of {size_text(memory[1])}"


def _reason(error: BaseException | None, alive: list[int]) -> str | None:
    """What became of a loading process, in words; None for errors about something else."""
    text, seen = "", error
    while seen is not None:
        text, seen = f"{text} {seen}", seen.__cause__ or seen.__context__
    if killed := re.search(r"worker \(pid (\d+)\) is killed by signal: ([^.]+)", text):
        cause = f", {CAUSES[killed[2]]}" if killed[2] in CAUSES else ""
        return f"process {killed[1]} was ended by signal {killed[2]!r}{cause}"
    if dead := re.search(r"worker \(pid(?:\(s\))? ([\d, ]+)\) exited unexpectedly", text):
        return f"process {dead[1]} ended before its work was done"
    if late := re.search(r"DataLoader timed out after ([\d.]+) seconds", text):
        pids = " or ".join(map(str, sorted(alive)))
        return f"process {pids} hangs: no batch in {float(late[1]):g} s"
    return None
