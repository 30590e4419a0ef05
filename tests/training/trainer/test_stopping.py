"""A training that is asked to stop, and goes on as if it had not been."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim
from tests.helpers.tiny import bit_equal, weights
from tests.helpers.training import fit

OPTIM = Optim(lr=1e-3, epochs=2, batch_size=8, warmup=0.0)


def stop_in(step: int, patch: pytest.MonkeyPatch, number: int = signal.SIGINT) -> list[int]:
    original, steps = AdaptModule.training_step, list[int]()

    def training_step(self: AdaptModule, *given: Any) -> Any:
        steps.append(len(steps) + 1)
        if steps[-1] == step:
            os.kill(os.getpid(), number)
        return original(self, *given)

    patch.setattr(AdaptModule, "training_step", training_step)
    return steps


@pytest.mark.parametrize(
    ("step", "workers"), [(1, "0"), (3, "0"), (5, "0"), (6, "0"), (3, "1"), (5, "1")]
)
def test_dropout_and_balanced_draws_go_on_where_they_were(
    step: int, workers: str, start: Classifier, toy_data: ImageData, context: Context,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    method = adapt.method("lora", dropout=0.5, optim=OPTIM)
    runtime = replace(context.runtime, workers=workers)
    context = replace(context, balance="uniform", runtime=runtime)
    whole = weights(method.fit(start, toy_data, context))
    own = replace(context, folder=tmp_path)
    with monkeypatch.context() as patch:
        steps = stop_in(step, patch)
        with pytest.raises(KeyboardInterrupt, match="saved"):
            method.fit(start, toy_data, own)
    assert len(steps) == step
    torch.manual_seed(5)
    resumed = method.fit(start, toy_data, replace(own, resume=True))
    assert bit_equal(whole, weights(resumed))


def test_a_step_of_several_micro_batches_is_finished(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    optim = replace(OPTIM, accumulate=4)
    whole = weights(fit(start, toy_data, optim, context))
    own = replace(context, folder=tmp_path)
    with monkeypatch.context() as patch:
        steps = stop_in(5, patch, signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            fit(start, toy_data, optim, own)
    assert len(steps) == 8
    assert bit_equal(whole, weights(fit(start, toy_data, optim, replace(own, resume=True))))


def test_without_a_folder_it_just_stops(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = stop_in(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fit(start, toy_data, OPTIM, context)
    assert len(steps) == 2
