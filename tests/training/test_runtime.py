"""Devices, precision and processes: what is chosen by the machine."""

import pytest
import torch

from adapt.errors import ModelError, RecipeError
from adapt.training import runtime
from adapt.training.runtime import (
    check_compile,
    count_workers,
    made_faster,
    resolve_accelerator,
    resolve_precision,
)
from adapt.training.settings import Runtime


def test_worker_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.training.runtime.processors", lambda: 4)
    assert [count_workers("auto", images) for images in (0, 499, 500)] == [0, 0, 3]
    monkeypatch.setattr("adapt.training.runtime.processors", lambda: 64)
    assert count_workers("auto", 10**6) == 8
    shares = [count_workers("auto", 10**6, sharing) for sharing in (2, 8, 16, 64)]
    assert shares == [8, 7, 3, 0]
    assert count_workers("2", 1, 8) == 2, "a count is for each device"
    monkeypatch.setattr("adapt.training.runtime.processors", lambda: 1)
    assert count_workers("auto", 10**6) == 0
    assert count_workers("2", 1) == 2
    with pytest.raises(RecipeError, match="workers - not a count - -1"):
        count_workers(-1, 1)


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    for native in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda native=native, **_: native)
        monkeypatch.setattr(runtime, "native_bf16_cpu", lambda native=native: native)
        assert resolve_precision("auto", "cuda") == ("bf16-mixed" if native else "16-mixed")
        assert resolve_precision("auto", "cpu") == ("bf16-mixed" if native else "32-true")
        assert resolve_precision("auto", "mps") == "32-true"
    for given, expected in (("32", "32-true"), ("bf16-mixed",) * 2, ("16-mixed",) * 2):
        assert resolve_precision(given, "cpu") == expected


@pytest.mark.parametrize("there", [(), ("_is_amx_tile_supported",), ("_is_avx512_bf16_supported",)])
def test_cpu_with_bf16(there: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name in there, raising=False)
    assert runtime.native_bf16_cpu() is bool(there)


def test_what_cannot_be_compiled_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for mode, device, reason in (
        ("default", "mps", "Apple's GPU"),
        ("cuda_graphs", "cpu", "only CUDA has graphs"),
        ("default", "cuda", "triton is not installed"),
        ("default", "cpu", "no C\\+\\+ compiler no-such-compiler"),
    ):
        with pytest.raises(ModelError, match=f"cannot work on {device}.*{reason}"):
            check_compile(mode, device)
    check_compile("none", "mps")


def test_layout_and_compiling_end_with_the_training() -> None:
    layer = torch.nn.Conv2d(3, 4, 2)
    names = list(layer.state_dict())
    with made_faster(layer, Runtime(channels_last=True, compile="default")):
        assert layer.weight.is_contiguous(memory_format=torch.channels_last)
        assert layer._compiled_call_impl is not None
        assert list(layer.state_dict()) == names
    assert layer.weight.is_contiguous()
    assert layer._compiled_call_impl is None


def test_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(cuda: bool, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    machine(True, False)
    assert [resolve_accelerator(n) for n in ("auto", "gpu", "cpu")] == ["cuda", "cuda", "cpu"]
    machine(False, True)
    assert [resolve_accelerator(n) for n in ("auto", "gpu")] == ["mps", "mps"]
    machine(False, False)
    assert resolve_accelerator("auto") == "cpu"
    for name in ("gpu", "cuda", "mps", "tpu"):
        with pytest.raises(ModelError, match=r"use auto or one of cpu"):
            resolve_accelerator(name)
