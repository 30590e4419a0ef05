"""The estimate of memory, part by part, against sums done by hand."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import adapt
from adapt.models.classifier import Classifier
from adapt.runs.memory import (
    PROCESS,
    Memory,
    Peak,
    Where,
    inference_memory,
    training_memory,
)
from adapt.training.settings import Optim

PLAIN = Optim(batch_size=8)
CPU, GPU = Where("cpu", "32-true"), Where("cuda", "32-true")


def of(start: Classifier, method: str, where: Where = CPU, optim: Optim = PLAIN) -> Memory:
    tuned = adapt.method(method, optim=optim).prepare(start)
    return training_memory(start, tuned, optim, 8, 0, where)


def bytes_of(start: Classifier) -> int:
    return sum(value.numel() * value.element_size() for value in start.state_dict().values())


def trained_bytes(start: Classifier) -> int:
    tuned = adapt.method("full").prepare(start)
    return 4 * sum(p.numel() for p in tuned.parameters() if p.requires_grad)


def test_what_is_alive_by_hand() -> None:
    with FakeTensorMode(), Peak() as peak:
        kept = torch.zeros(100)
        view = kept[:50]
        for _ in range(3):
            once = kept + 1
            del once
        assert (peak.now, peak.most) == (400, 800), "a view has no bytes of its own"
        weight = torch.zeros(100, requires_grad=True)
        loss = (weight.exp() * view.repeat(2)).sum()  # keeps the exponential and the factor
        held = peak.now
        del loss
    assert held == 400 + 400 + 800 + 4
    assert peak.now == 800


def test_parts(start: Classifier) -> None:
    whole, trained = bytes_of(start), trained_bytes(start)
    cpu, gpu = of(start, "full"), of(start, "full", GPU)
    assert (cpu.process, cpu.weights, cpu.copies, cpu.optimiser) == (
        PROCESS, 2 * whole, 0, 2 * trained,
    )  # fmt: skip
    assert (gpu.process, gpu.weights) == (0, whole)
    assert cpu.step >= trained, "gradients are part of it"
    assert of(start, "full", replace(GPU, devices=2)).optimiser == 3 * trained
    expected = (cpu.process + cpu.weights + cpu.optimiser + cpu.step) / 2**30
    assert cpu.gib == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("setting", "trained", "whole"),
    [("ema", 1, 0), ("l2_sp", 1, 0), ("feature_distillation", 0, 1), ("self_distillation", 0, 1),
     ("car_ft", 0, 1), ("lipsum_ft", 0, 1), ("orthogonality", 0, 0), ("cross_norm", 0, 0)],
)  # fmt: skip
def test_copies(setting: str, trained: int, whole: int, start: Classifier) -> None:
    found = of(start, "full", optim=replace(PLAIN, **{setting: 0.5}))
    assert found.copies == trained * trained_bytes(start) + whole * bytes_of(start)


def test_texts_of_a_step_are_counted(start: Classifier) -> None:
    """Prompts whose encoder trains, the whole context long."""
    tuned = adapt.method("flyp", optim=PLAIN).prepare(start)
    few, more = (training_memory(start, tuned, PLAIN, 2, texts, CPU).step for texts in (128, 256))
    assert more > 1.5 * few


def test_what_saves_memory(start: Classifier) -> None:
    step = of(start, "full").step
    assert of(start, "lora").step < step
    saving = training_memory(
        start, adapt.method("full").prepare(start), replace(PLAIN, checkpointing=True), 8, 0, CPU
    )
    assert saving.step < step
    half = of(start, "full", Where("cpu", "bf16-mixed")).step
    assert half < step
    assert inference_memory(start, 8, "cpu").step < step / 3


def test_activations_grow_with_the_batch(start: Classifier) -> None:
    """Without gradients of weights a step is activations alone."""
    tuned = adapt.method("lora").prepare(start)
    small, middle, large = (
        training_memory(start, tuned, PLAIN, batch, 0, CPU).step for batch in (8, 16, 32)
    )
    assert large - middle == pytest.approx(2 * (middle - small), rel=0.02)
