"""The local queue: some runs at once, each in a process of its own."""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from adapt.errors import RunError
from adapt.scale.sweep.process import STOPPED_CODE, exit_sentence
from adapt.scale.sweep.task import (
    FAILED,
    STOPPED,
    RunOutcome,
    SweepTask,
    outcome_of,
)

Told = Callable[[SweepTask, RunOutcome | None], None]
"""Called with a run that begins (None), and again with how it ended."""
PAUSE = 0.1
"""Seconds between two looks at the processes."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
VISIBLE = "CUDA_VISIBLE_DEVICES"
COMMAND = (sys.executable, "-m", "adapt.scale.sweep.process")


@dataclass
class RunProcess:
    """A run and its process; closing `stdin` asks it to stop."""

    task: SweepTask
    process: "subprocess.Popen[bytes]"
    slot: int
    began: float
    log: BinaryIO

    @classmethod
    def start(
        cls, task: SweepTask, slot: int = 0, environment: Mapping[str, str] | None = None
    ) -> "RunProcess":
        """Start a run.

        Args:
            task: The run.
            slot: Place among those that run at once, from 0.
            environment: Variables beside those of this process.
        """
        task.log.parent.mkdir(parents=True, exist_ok=True)
        task.outcome_file.unlink(missing_ok=True)
        log = task.log.open("ab")
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=task.directory,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C is for the sweep, which asks its runs to stop
        )
        started = cls(task, process, slot, time.monotonic(), log)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has died already: seen when it is looked at
            process.stdin.write(task.to_line().encode())
            process.stdin.flush()
        return started

    def stop(self) -> None:
        """Ask it to save and end."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()

    def outcome(self) -> RunOutcome | None:
        """How it ended; None while it runs. What it could not record itself is recorded."""
        code = self.process.poll()
        if code is None:
            return None
        self.stop()
        self.log.close()
        known = outcome_of(self.task)
        if self.task.outcome_file.is_file():
            return known
        seconds = round(time.monotonic() - self.began, 2)
        if code in (STOPPED_CODE, RunError.exit_code):  # the latter at a second signal
            return RunOutcome(STOPPED, "", seconds)
        failed = RunOutcome(FAILED, exit_sentence(code), seconds)
        failed.write(self.task)
        return failed


def run_local(tasks: Sequence[SweepTask], at_once: int, told: Told, devices: int = 1) -> None:
    """Run all tasks, some at once; a run that fails does not stop the others.

    Args:
        tasks: In the order in which they are to begin.
        at_once: How many run side by side.
        told: Called in this thread.
        devices: That each run takes. With one, each gets a GPU of its own, where there are several.

    Raises:
        KeyboardInterrupt: After Ctrl-C or SIGTERM, when all processes have saved and ended.
    """
    waiting, running = deque(tasks), list[RunProcess]()
    gpus = visible_devices() if at_once > 1 and devices == 1 else []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with _stopped_at_the_end(running, told):
        while waiting or running:
            while waiting and len(running) < at_once:
                slot = min(set(range(at_once)) - {one.slot for one in running})
                share = shared_environment(slot, at_once, cores or 1, gpus, os.environ)
                told(waiting[0], None)
                running.append(RunProcess.start(waiting.popleft(), slot, share))
            time.sleep(PAUSE)
            _gather(running, told)


def _gather(running: list[RunProcess], told: Told) -> None:
    for one in list(running):
        if (outcome := one.outcome()) is not None:
            running.remove(one)
            told(one.task, outcome)


@contextmanager
def _stopped_at_the_end(running: list[RunProcess], told: Told) -> Iterator[None]:
    """Whatever ends the loop, no process is left; a second signal ends the sweep at once."""
    try:
        yield
    except BaseException:
        for one in running:
            one.stop()
        for one in running:
            one.process.wait()
        _gather(running, told)
        raise


def shared_environment(
    slot: int, at_once: int, cores: int, devices: Sequence[str], given: Mapping[str, str]
) -> dict[str, str]:
    """What a run that shares the machine finds in its environment.

    Args:
        slot: Place among those that run at once, from 0.
        at_once: How many run at once.
        cores: Of the machine.
        devices: GPUs that may be used, by their names in `CUDA_VISIBLE_DEVICES`.
        given: The environment now; threads that somebody set stay as they are.

    >>> shared_environment(1, 2, 8, ["0", "1"], {"OMP_NUM_THREADS": "3"})
    {'MKL_NUM_THREADS': '4', 'OPENBLAS_NUM_THREADS': '4', 'CUDA_VISIBLE_DEVICES': '1'}
    """
    if at_once == 1:
        return {}
    share = {name: str(max(1, cores // at_once)) for name in THREADS if name not in given}
    return {**share, VISIBLE: devices[slot % len(devices)]} if len(devices) > 1 else share


def visible_devices() -> list[str]:
    """GPUs that runs may be given, by their names in `CUDA_VISIBLE_DEVICES`."""
    if given := os.environ.get(VISIBLE):
        return [name.strip() for name in given.split(",") if name.strip()]
    from torch import cuda

    return [str(number) for number in range(cuda.device_count())]
