"""Runs on a Ray: each is the process that the local queue would start, kept by an actor.

Nothing but the task travels: a run reads its images and writes its folder where they are, so that
all machines must see these at the same paths. An actor holds the processors and GPUs of its run,
and the pipe to its process: when the actor ends, whatever ended it, the run stops in order.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapt.errors import RecipeError, RunError, one_line
from adapt.scale.ray_session import ray_session
from adapt.scale.sweep import queue
from adapt.scale.sweep.engine import PAUSE, RunStarter
from adapt.scale.sweep.queue import THREADS, VISIBLE, RunProcess
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import FAILED, RunOutcome, SweepTask, outcome_of

BETWEEN = """
import os, subprocess, sys
code = subprocess.call(sys.argv[1:])
os.kill(os.getpid(), -code) if code < 0 else sys.exit(code)
"""
"""A process that ends as its child does. Ray kills the children of an actor that ends, and would
not let a run save; it leaves their children alone."""
LONGEST_REASON = 200


class RunActor:
    """Starts one run on the machine where it is, and waits for its end."""

    def __init__(self) -> None:
        self.run: RunProcess | None = None

    def start(self, line: str, environment: Mapping[str, str], arguments: Sequence[str]) -> str:
        """Start the run; returns why that cannot be, or nothing.

        Args:
            line: The task, as `SweepTask.to_line` writes it.
            environment: Variables beside those of this machine.
            arguments: Of Python, for the process that reads the task.
        """
        task = SweepTask.from_line(line)
        for place in (task.sweep, task.directory):
            if not Path(place).is_dir():
                return (
                    f"{place} - not there on {platform.node()}, a machine of this Ray - all of "
                    "them need the folder of the sweep and the working directory at the same "
                    "paths - use a folder that they share, or --engine local"
                )
        between = (sys.executable, "-S", "-c", BETWEEN, sys.executable, *arguments)
        self.run = RunProcess.start(task, environment=environment, command=between)
        return ""

    def wait(self) -> dict[str, Any]:
        """Wait for the run that was started; returns the fields of its `RunOutcome`."""
        assert self.run is not None
        while (outcome := self.run.outcome()) is None:
            time.sleep(PAUSE)
        return asdict(outcome)

    def stop(self) -> None:
        """Ask the run to save and end."""
        if self.run is not None:
            self.run.stop()


@dataclass(frozen=True)
class RunShare:
    """What a run gets of a cluster."""

    cpus: int
    gpus: float
    at_once: int
    """How many runs have room."""

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """What a run finds in its environment, beside that of its machine.

        Args:
            given: The environment of the sweep; threads that somebody set there stay as they are.

        >>> RunShare(2, 1.0, 4).environment({"OMP_NUM_THREADS": "1"})
        {'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '2', 'OPENBLAS_NUM_THREADS': '2'}
        """
        threads = {name: given.get(name, str(self.cpus)) for name in THREADS}
        return threads if self.gpus else {**threads, VISIBLE: ""}


def share_of(
    options: SweepOptions, runtime: Mapping[str, Any], machines: Sequence[Mapping[str, float]]
) -> RunShare:
    """What each run gets, by what the machines have.

    Args:
        options: What was asked for. Otherwise a run gets the GPUs of the recipe and the share of
            processors that belongs to them; without GPUs, a machine, or its share of it where
            more runs than machines are asked for at once.
        runtime: Section of the recipe.
        machines: Resources of each, as Ray counts them.

    Raises:
        RecipeError: When the recipe wants more GPUs than a run is to get.
        RunError: When no machine has room for one run.

    >>> machines = [{"CPU": 16.0, "GPU": 4.0}] * 2
    >>> share_of(SweepOptions(engine="ray"), {"accelerator": "auto", "devices": 1}, machines)
    RunShare(cpus=4, gpus=1.0, at_once=8)
    """
    room = [(int(one.get("CPU", 0)), one.get("GPU", 0.0)) for one in machines]
    gpus, devices = options.gpus_per_run, int(runtime["devices"])
    if gpus is None:
        wanted = runtime["accelerator"] in ("auto", "gpu", "cuda") and any(g for _, g in room)
        gpus = float(devices) if wanted else 0.0
    if gpus and devices > max(gpus, 1):
        raise RecipeError(
            f"--gpus-per-run - fewer than the recipe wants - {gpus:g}, and runtime.devices is "
            f"{devices} - give {devices}, or set runtime.devices={int(gpus) or 1}"
        )
    cpus = options.cpus_per_run or _equal_share(room, gpus, options.at_once)
    at_once = sum(_fitting(own, cpus, gpus) for own in room)
    if not at_once:
        have = max(room, default=(0, 0.0), key=lambda one: (one[1], one[0]) if gpus else one)
        raise RunError(
            f"--engine ray - no machine has room for a run - a run is to get {cpus} processors and "
            f"{gpus:g} GPUs, and the largest of {len(room)} has {have[0]} and {have[1]:g} - give "
            "less with --cpus-per-run and --gpus-per-run"
        )
    return RunShare(cpus, gpus, options.at_once or at_once)


def _equal_share(room: Sequence[tuple[int, float]], gpus: float, at_once: int | None) -> int:
    """Processors of a run, so that each machine that takes part holds as many as it should."""
    if gpus:
        shares = [cpus // max(int(own / gpus), 1) for cpus, own in room if own >= gpus]
    else:
        able = [cpus for cpus, _ in room if cpus]
        each = -(-(at_once or 1) // len(able)) if able else 1
        shares = [cpus // each for cpus in able]
    return max(min(shares, default=1), 1)


def _fitting(own: tuple[int, float], cpus: int, gpus: float) -> int:
    """Runs for which one machine has room."""
    by_cpus = own[0] // cpus
    return min(by_cpus, int(own[1] / gpus)) if gpus else by_cpus


class RayRun:
    """A run that Ray was given."""

    def __init__(self, ray: Any, task: SweepTask, slot: int, share: RunShare) -> None:
        self.ray, self.task, self.slot = ray, task, slot
        self.asked = time.monotonic()
        actor = ray.remote(RunActor).options(
            num_cpus=share.cpus, num_gpus=share.gpus, max_restarts=0, max_concurrency=2
        )
        self.actor = actor.remote()
        environment = share.environment(os.environ)
        self.started = self.actor.start.remote(task.to_line(), environment, queue.ARGUMENTS)
        self.ended: Any = None
        self.given_up: RunOutcome | None = None

    def begun(self) -> bool:
        """Whether a machine has started it.

        Raises:
            RunError: When a machine cannot start any run.
        """
        if self.ended is None and self.given_up is None and self._ready(self.started):
            try:
                problem = self.ray.get(self.started)
            except self.ray.exceptions.RayTaskError as error:
                problem = (
                    f"Ray - a machine cannot start runs - {_reason(error)} - install adapt there, "
                    "in the same version"
                )
            except self.ray.exceptions.RayError as error:
                self._died(error)
                return True
            if problem:
                raise RunError(problem)
            self.asked = time.monotonic()
            self.ended = self.actor.wait.remote()
        return self.ended is not None

    def outcome(self) -> RunOutcome | None:
        """How it ended; a run whose actor has died has failed, unless it has recorded its end."""
        if self.given_up is None and self.ended is not None and self._ready(self.ended):
            try:
                self.given_up = RunOutcome(**self.ray.get(self.ended))
            except self.ray.exceptions.RayError as error:
                self._died(error)
            self.ray.kill(self.actor)
        return self.given_up

    def stop(self) -> None:
        """Ask it to save and end; one that still waits for a machine does not begin."""
        if self.ended is not None:
            self.actor.stop.remote()
        elif self.given_up is None:
            self.ray.kill(self.actor)  # a run that begins in this moment notices, and stops
            self.given_up = outcome_of(self.task)

    def _ready(self, reference: Any) -> bool:
        return bool(self.ray.wait([reference], timeout=0)[0])

    def _died(self, error: Exception) -> None:
        if self.task.outcome_file.is_file():
            self.given_up = outcome_of(self.task)
            return
        seconds = round(time.monotonic() - self.asked, 2)
        reason = f"the process of Ray that kept it has died: {_reason(error)}"
        self.given_up = RunOutcome(FAILED, reason, seconds)
        self.given_up.write(self.task)


def _reason(error: Exception) -> str:
    """Why something of Ray failed, short enough for a table."""
    text = one_line(error)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


@contextmanager
def on_ray(options: SweepOptions, runtime: Mapping[str, Any]) -> Iterator[RunStarter]:
    """The engine; it joins the Ray of this process or of `$RAY_ADDRESS`, or starts one.

    Args:
        options: Runs at once, and what each gets; see `share_of`.
        runtime: Section of the recipe.

    Raises:
        MissingExtraError: When Ray is not installed.
        RecipeError: When the recipe wants more GPUs than a run is to get.
        RunError: When the cluster cannot be reached, or has no room.
    """
    wanted = (options.cpus_per_run or 1) * (options.at_once or 1)
    with ray_session(wanted) as ray:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        share = share_of(options, runtime, machines)
        yield RunStarter(share.at_once, lambda task, slot: RayRun(ray, task, slot, share))
