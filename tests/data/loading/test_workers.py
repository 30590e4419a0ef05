"""Loading processes that die, hang, or have too little shared memory: row F38 of the faults."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from adapt.data.loading import workers
from adapt.data.loading.workers import (
    AHEAD,
    bytes_in_flight,
    patience,
    shared_memory,
    watched_workers,
    workers_that_fit,
)
from adapt.errors import RunError
from tests.helpers.commands import start
from tests.helpers.sweeps import until

MB = 10**6


class Numbers:
    """The number 3 cannot be had."""

    def __init__(self, what: Callable[[], Any]) -> None:
        self.what = what

    def __len__(self) -> int:
        return 8

    def __getitem__(self, number: int) -> int:
        if number == 3:
            self.what()
        return number


def hang() -> None:
    """As in a system call: deaf to what asks a process to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)


def load(what: Callable[[], Any], seconds: float = 0.0) -> None:
    loader = DataLoader(Numbers(what), batch_size=2, num_workers=1, timeout=seconds)  # type: ignore[arg-type]
    with watched_workers():
        for _ in loader:
            pass


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            r"process \d+ was ended by signal 'Killed', as the system does when memory runs out",
        ),
        (
            lambda: os.kill(os.getpid(), signal.SIGBUS),
            r"process \d+ was ended by signal 'Bus error', as where shared memory is full",
        ),
        (lambda: os._exit(3), r"process \d+ ended before its work was done"),
    ],
)
def test_a_process_that_dies_is_named(what: Callable[[], Any], said: str) -> None:
    with pytest.raises(RunError) as caught:
        load(what)
    assert caught.match(f"^loading images - {said} - /dev/shm has .* free of .* - set runtime.work")


def test_a_process_that_hangs_is_ended() -> None:
    with pytest.raises(RunError, match=r"^loading images - process \d+ hangs: no batch in 1 s - "):
        load(hang, 1.0)
    assert not multiprocessing.active_children()


def test_errors_about_images_stay_what_they_are() -> None:
    def broken() -> None:
        raise RuntimeError("a broken image")

    with pytest.raises(RuntimeError, match="a broken image") as caught:
        load(broken)
    assert not isinstance(caught.value, RunError)
    assert (patience(0), patience(2)) == (0, workers.PATIENCE)


def test_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 10 MB of which each process has two ready, and one that is taken out."""
    found = shared_memory()
    assert found is not None
    assert found == (
        pytest.approx(os.statvfs("/dev/shm").f_bavail * os.statvfs("/dev/shm").f_frsize, rel=0.1),
        os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
    )
    assert bytes_in_flight(4, 10 * MB) == (4 * AHEAD + 1) * 10 * MB == 90 * MB
    monkeypatch.setattr(workers, "shared_memory", lambda: (60 * MB, 64 * MB))
    told: list[str] = []
    assert workers_that_fit(2, 10 * MB, True, told.append) == 2
    assert not told
    assert workers_that_fit(4, 10 * MB, False, told.append) == 2
    assert workers_that_fit(4, 40 * MB, False, told.append) == 0
    assert told[0] == (
        "too little shared memory: 4 loading processes would hold 90.0 MB there, /dev/shm has "
        "60.0 MB free of 64.0 MB; 2 processes will load images: to be faster, give the container "
        "more (docker run --shm-size=8g)"
    )
    assert "the main process will load images" in told[1]
    with pytest.raises(RunError, match=r"set runtime.workers=2 or give the container more"):
        workers_that_fit(4, 10 * MB, True)
    monkeypatch.setattr(workers, "shared_memory", lambda: None)
    assert workers_that_fit(4, 40 * MB, True) == 4


LOADING = """
import multiprocessing, sys, time
from torch.utils.data import DataLoader
from adapt.data.loading.workers import start_worker

def main():
    multiprocessing.set_start_method(sys.argv[1])
    loader = DataLoader(range(8), num_workers=2, worker_init_fn=start_worker,
                        persistent_workers=True)
    assert len([*loader]) == 8
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_loading_processes_end_with_a_main_process_that_is_killed(method: str) -> None:
    main = start(method, code=LOADING)
    assert main.stdout
    loading = [int(number) for number in main.stdout.readline().split()]
    assert len(loading) == 2
    assert all(map(is_alive, loading))
    main.kill()
    main.wait()
    until(lambda: not any(map(is_alive, loading)))


def is_alive(number: int) -> bool:
    """Whether there is such a process; one that has ended may still be listed."""
    stat = Path(f"/proc/{number}/stat")
    return stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
