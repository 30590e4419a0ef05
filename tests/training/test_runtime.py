"""Devices, precision and processes: what is chosen by the machine."""

import pytest
import torch

from adapt.errors import ModelError, RecipeError
from adapt.training.runtime import count_workers, resolve_accelerator, resolve_precision


def test_worker_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.training.runtime._processors", lambda: 4)
    assert [count_workers("auto", images) for images in (0, 499, 500)] == [0, 0, 3]
    monkeypatch.setattr("adapt.training.runtime._processors", lambda: 64)
    assert count_workers("auto", 10**6) == 8
    monkeypatch.setattr("adapt.training.runtime._processors", lambda: 1)
    assert count_workers("auto", 10**6) == 0
    assert count_workers("2", 1) == 2
    with pytest.raises(RecipeError, match="workers - not a count - -1"):
        count_workers(-1, 1)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_accelerator("auto") == "cpu"
    with pytest.raises(ModelError, match=r"runtime\.accelerator - not there - 'gpu' - use auto or"):
        resolve_accelerator("gpu")


@pytest.mark.parametrize(
    ("device", "native", "expected"),
    [("cuda", True, "bf16-mixed"), ("cuda", False, "16-mixed"), ("cpu", True, "bf16-mixed"),
     ("cpu", False, "32-true"), ("mps", True, "32-true")],
)  # fmt: skip
def test_precision_by_device(
    device: str, native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    monkeypatch.setattr("adapt.training.runtime.native_bf16_cpu", lambda: native)
    assert resolve_precision("auto", device) == expected
    assert resolve_precision("16-mixed", device) == "16-mixed"
