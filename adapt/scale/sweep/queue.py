"""The local queue: some runs at once, each in a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from adapt.errors import RunError
from adapt.scale.sweep.engine import RunStarter
from adapt.scale.sweep.process import STOPPED_CODE, exit_sentence
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import (
    FAILED,
    STOPPED,
    RunOutcome,
    SweepTask,
    outcome_of,
)

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
VISIBLE = "CUDA_VISIBLE_DEVICES"
ARGUMENTS = ("-m", "adapt.scale.sweep.process")
"""Of Python, for the process of a run."""


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
        cls,
        task: SweepTask,
        slot: int = 0,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> "RunProcess":
        """Start a run.

        Args:
            task: The run.
            slot: Place among those that run at once, from 0.
            environment: Variables beside those of this process.
            command: What reads the task; Python with `ARGUMENTS` if None.
        """
        task.log.parent.mkdir(parents=True, exist_ok=True)
        task.outcome_file.unlink(missing_ok=True)
        log = task.log.open("ab")
        process = subprocess.Popen(
            command or (sys.executable, *ARGUMENTS),
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

    def begun(self) -> bool:
        """Its process is there at once."""
        return True

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


@contextmanager
def on_this_machine(options: SweepOptions, runtime: Mapping[str, Any]) -> Iterator[RunStarter]:
    """The engine.

    Args:
        options: How many run at once: 1 if they do not say.
        runtime: `devices` is how many each run takes. With one, each run gets a GPU of its own,
            where there are several.
    """
    from adapt.training.runtime import processors  # torch: nothing for actors that keep a process

    at_once = options.at_once or 1
    gpus = visible_devices() if at_once > 1 and int(runtime["devices"]) == 1 else []

    def start(task: SweepTask, slot: int) -> RunProcess:
        share = shared_environment(slot, at_once, processors(), gpus, os.environ)
        return RunProcess.start(task, slot, share)

    yield RunStarter(at_once, start)


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
