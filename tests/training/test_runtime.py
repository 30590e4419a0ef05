"""Devices, precision and processes chosen by the machine; models that are moved once in a run."""

import gc

import numpy as np
import pytest
import torch
from torch import Tensor

from adapt.data.sources.image_list import ImageList
from adapt.ensembling.line import Line
from adapt.errors import ModelError, RecipeError
from adapt.evaluation.evaluate import Split
from adapt.models.classifier import Classifier
from adapt.training import runtime
from adapt.training.features.batch_norm import measure_batch_norms
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.runtime import (
    check_compile,
    count_workers,
    give_back,
    held_on_device,
    made_faster,
    placed_on,
    resolve_accelerator,
    resolve_precision,
)
from adapt.training.settings import Runtime
from tests.helpers.tiny import RESNET, bit_equal, moved, tiny_classifier, weights

CPU = torch.device("cpu")
RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=8)


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


class Device:
    """Tensors are on it when their memory was made by a move there."""

    def __init__(self) -> None:
        self.there: dict[int, Tensor] = {}
        self.moves = 0

    def is_on(self, tensor: Tensor, _: torch.device) -> bool:
        return tensor.data_ptr() in self.there

    def moved(self, tensor: Tensor, _: torch.device) -> Tensor:
        self.moves += 1
        copy = tensor.detach().clone()
        if tensor.data_ptr() not in self.there:
            self.there[copy.data_ptr()] = copy
        return copy


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    device = Device()
    monkeypatch.setattr(runtime, "_is_on", device.is_on)
    monkeypatch.setattr(runtime, "_moved", device.moved)
    return device


def places(model: torch.nn.Module) -> list[int]:
    return [value.data_ptr() for value in model.state_dict().values()]


def test_a_model_is_placed_for_a_while_alone(device: Device) -> None:
    """It goes back, also after an error, so that models outside are all in one place."""
    model = torch.nn.Linear(2, 2)
    home = places(model)
    with placed_on(model, CPU):
        assert not set(places(model)) & set(home)
        assert device.moves == 2
        with placed_on(model, CPU):
            assert device.moves == 2, "it is there"
        assert not set(places(model)) & set(home)
    assert places(model) == home
    with pytest.raises(KeyError), placed_on(model, CPU):
        raise KeyError
    assert places(model) == home
    assert device.moves == 4, "there again, and nothing was to be copied back"
    with placed_on(torch.nn.Identity(), CPU):  # nothing to move
        pass
    model(torch.zeros(1, 2)).sum().backward()


def test_within_a_run_a_model_is_moved_once(device: Device) -> None:
    model = torch.nn.Linear(2, 2)
    home = places(model)
    with held_on_device():
        for _ in range(3):
            with placed_on(model, CPU):
                pass
            assert places(model) == home
        assert device.moves == 2
        with torch.no_grad():  # written to, so that its copy is out of date
            model.weight.fill_(3.0)
        with placed_on(model, CPU):
            assert model.weight[0, 0].item() == 3.0
        assert device.moves == 3
        model.weight.data = torch.full((2, 2), 4.0)
        with placed_on(model, CPU):
            assert model.weight[0, 0].item() == 4.0
        assert device.moves == 4
        give_back()
        with placed_on(model, CPU):
            pass
        assert device.moves == 6
    with placed_on(model, CPU):
        pass
    assert device.moves == 8


def test_what_is_held_goes_with_the_model_and_with_the_run(device: Device) -> None:
    model = torch.nn.Linear(2, 2)
    with held_on_device():
        with placed_on(model, CPU):
            pass
        held = runtime._held.get()
        assert held is not None
        assert len(held) == 2
        del model
        gc.collect()
        assert len(held) == 0
    assert runtime._held.get() is None


def test_what_is_written_there_comes_back(
    device: Device, splits: dict[str, ImageList], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics of batch norms are measured on the device; weights stay where they were."""
    plain, model = tiny_classifier(RESNET), tiny_classifier(RESNET)
    pixels = prepare(splits["val"], plain.backbone.preprocessing)
    with held_on_device():
        measure_batch_norms(model, pixels, RUNTIME)
        assert device.moves > 0
        device.there.clear()
        found = weights(model)
        again = predict_logits(model, pixels, RUNTIME)
    monkeypatch.setattr(runtime, "_is_on", lambda *_: True)
    assert not bit_equal(weights(plain), found)
    measure_batch_norms(plain, pixels, RUNTIME)
    assert bit_equal(weights(plain), found)
    np.testing.assert_array_equal(again, predict_logits(plain, pixels, RUNTIME))


def test_a_curve_moves_its_start_once(
    device: Device, start: Classifier, splits: dict[str, ImageList]
) -> None:
    """Two splits at both ends and between them, and scores of the ends: equal, and moved once."""
    tuned, ready = moved(start), [Split.read(n, i, start, RUNTIME) for n, i in splits.items()]

    def outputs() -> list[np.ndarray]:
        line = Line(start, tuned, RUNTIME)
        logits = [line.logits(alpha, [split])[0] for alpha in (0.0, 1.0) for split in ready]
        ends = [predict_logits(end, ready[0].pixels, RUNTIME) for end in (start, tuned) * 2]
        return logits + ends

    with held_on_device():
        first = outputs()
        count = device.moves
        second = outputs()
    tensors = [*start.parameters(), *start.buffers()]
    working = len(
        [*tuned.backbone.parameters(), *tuned.backbone.buffers(), *tuned.head.parameters()]
    )
    assert count <= 2 * len(tensors) + working
    assert device.moves - count <= working, "the working copy alone is new"
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    separate = device.moves
    outputs()
    assert device.moves - separate > 2 * len(tensors)
