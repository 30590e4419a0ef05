"""Where the runs of the local queue are, and what they share."""

import os

import pytest

from adapt.scale.sweep import queue
from adapt.scale.sweep.queue import on_this_machine, shared_environment, visible_devices
from adapt.scale.sweep.settings import SweepOptions


@pytest.mark.parametrize(
    ("slot", "at_once", "devices", "expected"),
    [
        (0, 1, ["0", "1"], {}),
        (0, 3, [], dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2")),
        (2, 3, ["4", "5"], {"CUDA_VISIBLE_DEVICES": "4", "MKL_NUM_THREADS": "2"}),
        (1, 20, ["7"], {"OMP_NUM_THREADS": "1"}),
    ],
)
def test_what_a_run_that_shares_the_machine_finds(
    slot: int, at_once: int, devices: list[str], expected: dict[str, str]
) -> None:
    given = shared_environment(slot, at_once, 8, devices, {})
    assert expected.items() <= given.items()
    assert ("CUDA_VISIBLE_DEVICES" in given) == (len(devices) > 1 and at_once > 1)
    assert shared_environment(0, 2, 8, [], {"OMP_NUM_THREADS": "8"}).get("OMP_NUM_THREADS") is None


def test_one_at_once_if_nothing_else_is_said() -> None:
    with on_this_machine(SweepOptions(), {"devices": 1}) as starter:
        assert starter.at_once == 1
    with on_this_machine(SweepOptions(at_once=3), {"devices": 2}) as starter:
        assert starter.at_once == 3


def test_gpus_that_somebody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, queue.VISIBLE, "3, 5")
    assert visible_devices() == ["3", "5"]
