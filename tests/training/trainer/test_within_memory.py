"""Out of memory in a step: the weights afterwards against those of a training in smaller parts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from adapt.data.image_data import ImageData
from adapt.errors import RunError, out_of_memory
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.objectives import Batch, Contrastive, CrossEntropy, Objective, Outcome
from adapt.training.settings import Optim
from adapt.training.trainer.checkpoints import LAST
from adapt.training.trainer.within_memory import MICRO_BATCH, smaller
from tests.helpers.tiny import in_float64, weights
from tests.helpers.training import close, fit

QUICK = Optim(lr=1e-3, epochs=2, batch_size=8, warmup=0.0)
"""Three steps in each epoch."""
ERRORS = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 8.87 GB, max allowed: 9 GB)."),
    "cpu": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you "
        "tried to allocate 81920000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "python": MemoryError(),
}


class Fails(torch.autograd.Function):
    """The same numbers; the backward pass runs out of memory."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(*_: Any) -> Any:
        raise ERRORS["cuda"]


class Limited:
    """Cross-entropy for which memory does not suffice, from some call on, beyond some images."""

    soft_targets = True

    def __init__(self, call: int, most: int, error: BaseException | None = None) -> None:
        self.call, self.most, self.error, self.calls = call, most, error, 0
        self.sizes: list[int] = []

    def __call__(self, classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        self.calls += 1
        images = len(batch["target"])
        fails = self.calls >= self.call and images > self.most
        if fails and self.error is not None:
            raise self.error
        loss, logits = CrossEntropy()(classifier, batch, generator)
        self.sizes.append(images)
        return (Fails.apply(loss) if fails else loss), logits


def both(
    start: Classifier, data: ImageData, optim: Optim, context: Context, limited: Objective, by: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of a training that ran out of memory, and of one with smaller parts from the start"""
    start = in_float64(start)
    found = weights(fit(start, data, optim, context, limited))
    asked = weights(fit(start, data, replace(optim, accumulate=by), context))
    return found, asked


@pytest.mark.parametrize("call", [1, 2, 4, 6])
def test_a_step_that_does_not_fit_is_taken_in_parts(
    call: int, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """In the first step, within an epoch, at the beginning of the next one, in the last step."""
    told: list[str] = []
    limited = Limited(call, 4)
    found, asked = both(start, toy_data, QUICK, replace(context, tell=told.append), limited, 2)
    close(found, asked, 1e-6)
    assert told == [
        f"out of memory in step {call}: 8 images at once do not fit, so 4 are taken; a step still "
        "has 8 of them, at the same rate"
    ]
    again = limited.sizes.index(4)
    assert limited.sizes == [8] * again + [4] * (48 // 4 - 2 * (call - 1))


def test_parts_are_made_smaller_until_they_fit(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """Two halvings in a forward pass, of which the second comes in the middle of a step."""
    optim = replace(QUICK, accumulate=2, ema=0.5)
    limited = Limited(4, 1, ERRORS["cpu"])
    found, asked = both(start, toy_data, optim, context, limited, 8)
    close(found, asked, 1e-6)
    assert limited.sizes == [4, 4, 4] + [1] * (48 - 8)


def test_a_run_that_goes_on_takes_as_many_images_at_once(
    tmp_path: Path, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """A checkpoint after each step; the last of them belongs to a training in smaller parts."""
    own = replace(context, folder=tmp_path, runtime=replace(context.runtime, checkpoint_minutes=0))

    class Crash(Limited):
        def __call__(self, *given: Any) -> Outcome:
            if self.calls == 9:
                raise KeyError("a crash")
            return super().__call__(*given)

    start = in_float64(start)
    with pytest.raises(KeyError, match="a crash"):
        fit(start, toy_data, QUICK, own, Crash(3, 4))
    content = torch.load(tmp_path / "checkpoints" / LAST, weights_only=True)
    assert (content[MICRO_BATCH], content["global_step"]) == (4, 5)
    limited = Limited(1, 4)
    found = weights(fit(start, toy_data, QUICK, replace(own, resume=True), limited))
    assert limited.sizes == [4, 4]
    close(found, weights(fit(start, toy_data, replace(QUICK, accumulate=2), context)), 1e-6)


def test_what_needs_the_whole_batch_is_computed_in_parts(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    class Pairs(Contrastive):
        """Runs out of memory while more than two pairs are encoded at once."""

        def __call__(self, *given: Any) -> Outcome:
            loss, matrices = super().__call__(*given)
            return (Fails.apply(loss) if self.parts < 4 else loss), matrices

    start, told = in_float64(start), list[str]()
    copy = start.clone().requires_grad_(True)
    pairs = Pairs(same_class="mask")
    found = weights(train(copy, toy_data, QUICK, replace(context, tell=told.append), pairs))
    asked = weights(
        train(
            start.clone().requires_grad_(True),
            toy_data,
            replace(QUICK, accumulate=4),
            context,
            Contrastive(same_class="mask", parts=4),
        )
    )
    close(found, asked, 1e-6)
    assert pairs.parts == 4
    assert len(told) == 2


@pytest.mark.parametrize(("most", "reason"), [(0, "with one image at once"), (4, "Whole needs")])
def test_ways_out(
    most: int, reason: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    class Whole(Limited):
        whole_batch = True

    kind = Limited if most == 0 else Whole
    with pytest.raises(RunError, match=f"training - out of memory - {reason}") as caught:
        fit(start, toy_data, QUICK, context, kind(2, most, ERRORS["cuda"]))
    for way in ("optim.checkpointing=true", "optim.freeze_first", "runtime.precision=bf16-mixed"):
        assert way in str(caught.value)


def test_memory_that_an_update_lacks_is_no_matter_of_the_batch(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = torch.optim.AdamW.step

    def fails(self: Any, closure: Any = None) -> Any:
        step(self, closure)
        raise ERRORS["cuda"]

    monkeypatch.setattr(torch.optim.AdamW, "step", fails)
    with pytest.raises(RunError, match="in the update of the weights"):
        fit(start, toy_data, QUICK, context)


def test_kinds_of_errors() -> None:
    assert all(map(out_of_memory, ERRORS.values()))
    assert not out_of_memory(RuntimeError("shapes differ"))
    assert [smaller(images) for images in (64, 48, 15, 7, 2)] == [32, 24, 5, 1, 1]
