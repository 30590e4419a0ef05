"""As many processes as devices: started here, or by torchrun or SLURM.

`python -m adapt.training.devices PORT RANK SIZE DEVICE` is a further process on one machine; see
`adapt.training.processes.children`.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch._C._distributed_c10d import Store, TCPStore

from adapt.errors import RecipeError, RunError
from adapt.training.processes.children import children
from adapt.training.processes.group import Participant, ProcessGroup, active
from adapt.training.processes.meeting import joined, meeting, started_elsewhere
from adapt.training.runtime import held_on_device, processors, resolve_accelerator
from adapt.training.settings import Runtime

MODULE = "adapt.training.devices"


@contextmanager
def processes(runtime: Runtime) -> Iterator[ProcessGroup | None]:
    """While inside, there are as many processes as devices; None where one is enough.

    Those that torchrun or SLURM started are taken as they are: all but the first take part in its
    work here, and then end. Otherwise the others are started here, each for itself: nothing of the
    caller's program runs in them.

    Args:
        runtime: Devices, and where they are.

    Raises:
        RecipeError: When there are not so many devices, or others were started.
        RunError: When a process cannot be started.
        SystemExit: In a process that is not the first of those started elsewhere, with 0 once the
            first has ended in order.
    """
    if (group := active()) is not None:
        yield group
        return
    member, count = started_elsewhere(os.environ), runtime.devices
    if member is None and count == 1:
        yield None
        return
    device = resolve_accelerator(runtime.accelerator)
    if member is not None:
        check_started(member, count)
        check_devices(device, member.local_size)
        if member.rank > 0:
            raise SystemExit(follow(member, meeting(member), device))
        with joined(member, meeting(member), device, _threads(device, member)) as group:
            yield group
        return
    check_devices(device, count)
    store = TCPStore("127.0.0.1", 0, None, is_master=True, wait_for_workers=False)
    first = Participant(0, count, 0, count)
    others = [MODULE, str(store.port), str(count), device]
    with children(others), joined(first, store, device, _threads(device, first)) as group:
        yield group


def check_started(member: Participant, count: int) -> None:
    """Refuse a number of devices that is not that of the processes which were started.

    Raises:
        RecipeError: With both.
    """
    if count not in (1, member.local_size, member.size):
        raise RecipeError(
            f"runtime.devices - not what was started - {count}, and {member.size} processes are "
            f"there, {member.local_size} on each machine - leave it out"
        )


def check_devices(device: str, count: int) -> None:
    """Refuse more devices than this machine has; processors may be shared.

    Raises:
        RecipeError: With what there is.
    """
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, count)
    if count > there:
        raise RecipeError(
            f"runtime.devices - too many - {count}, this machine has {there} of {device} - give "
            "fewer"
        )


def _threads(device: str, member: Participant) -> int:
    if device != "cpu":
        return torch.get_num_threads()
    return max(1, min(torch.get_num_threads(), processors() // member.local_size))


def follow(member: Participant, store: Store, device: str) -> int:
    """Take part in the work of the first process until it ends; returns an exit code.

    The first process alone decides when to stop: signals that all of them get are left to it.

    Args:
        member: This process, which is not the first.
        store: Where all meet.
        device: `cuda`, `mps` or `cpu`.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with joined(member, store, device, _threads(device, member)) as group, held_on_device():
        return group.follow()


def _end_with_the_first() -> None:
    sys.stdin.buffer.read()
    os._exit(RunError.exit_code)


def main(port: int, rank: int, size: int, device: str) -> int:
    """Follow the process that started this one.

    Args:
        port: Of its store.
        rank: Of this process.
        size: Processes.
        device: `cuda`, `mps` or `cpu`.
    """
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    store = TCPStore("127.0.0.1", port, None, is_master=False)
    return follow(Participant(rank, size, rank, size), store, device)


if __name__ == "__main__":
    port, rank, size = (int(word) for word in sys.argv[1:4])
    sys.exit(main(port, rank, size, sys.argv[4]))
