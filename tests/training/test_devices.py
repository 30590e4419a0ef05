"""How many processes there may be, and which are taken as they are."""

import pytest

from adapt.errors import RecipeError
from adapt.training import devices
from adapt.training.devices import check_devices, processes
from adapt.training.settings import Runtime

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}


def test_more_devices_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(RecipeError, match="too many - 2, this machine has 1 of cuda"):
        check_devices("cuda", 2)
    check_devices("cpu", 4)


def test_other_devices_than_were_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.os, "environ", TORCHRUN)
    with (
        pytest.raises(RecipeError, match="not what was started - 3, and 8 processes are there"),
        processes(Runtime(accelerator="cpu", devices=3)),
    ):
        pass
