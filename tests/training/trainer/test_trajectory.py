"""Models on the way of a training against trainings by hand, and against shorter ones."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.errors import RecipeError
from adapt.methods.encoders.two_stage import train_directions
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim
from adapt.training.trainer.trajectory import kept_steps
from tests.helpers.tiny import bit_equal, in_float64, weights
from tests.helpers.training import Stop, by_hand, close, fit

QUICK = Optim(lr=1e-3, epochs=4, batch_size=8, warmup=0.0)
"""Twelve steps on the drawings."""


@dataclass
class Keeps:
    """Keeps copies in memory."""

    folder: Path
    count: int
    models: list[dict[str, Tensor]] = field(default_factory=list)

    def keep(self, model: Classifier) -> None:
        self.models.append(weights(model))


@pytest.mark.parametrize(("schedule", "warmup", "begin"), [
    ("cosine", 0.1, 100), ("constant", 0.1, 150), ("cosine", 0.8, 160), ("constant", 0.8, 160),
])  # fmt: skip
def test_steps_are_evenly_spaced_behind_the_beginning(
    schedule: str, warmup: float, begin: int
) -> None:
    for count in (1, 2, 5, 10):
        found = kept_steps(200, count, schedule, warmup)
        assert found == [begin + (200 - begin) * (n + 1) // count for n in range(count)]
    assert kept_steps(200, 200 - begin, schedule, warmup) == list(range(begin + 1, 201))
    with pytest.raises(RecipeError, match=r"checkpoints - too many - \d+ of the last \d+ steps of"):
        kept_steps(200, 201 - begin, schedule, warmup)


@pytest.mark.numerical
@pytest.mark.parametrize("ema", [0.0, 0.3])
def test_models_on_the_way_equal_those_of_a_plain_loop(
    ema: float, start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    start, keeps = in_float64(start), Keeps(tmp_path, 2)
    optim = replace(QUICK, ema=ema)
    last = weights(fit(start, toy_data, optim, replace(context, trajectory=keeps)))
    assert bit_equal(last, weights(fit(start, toy_data, optim, context))), "the result is the same"
    history = by_hand(start, toy_data, QUICK)
    if ema:
        for step in range(1, 12):
            decay = min(ema, (2 + step) / (11 + step))
            history[step] = {
                n: decay * history[step - 1][n] + (1 - decay) * v for n, v in history[step].items()
            }
    for number, step in enumerate((8, 10)):  # of the last six steps
        expected = history[step - 1]
        close({n: keeps.models[number][n] for n in expected}, expected, 1e-9)


def directions(start: Classifier, data: ImageData, optim: Optim, context: Context) -> Classifier:
    return train_directions(start, data, optim, context)


def method(name: str, **settings: Any) -> Callable[..., Classifier]:
    def trained(start: Classifier, data: ImageData, optim: Optim, context: Context) -> Classifier:
        return adapt.method(name, optim=optim, **settings).fit(start, data, context)

    return trained


@pytest.mark.parametrize("train", [
    method("lora"), method("prompt_tuning"), method("flyp"), directions,
], ids=["lora", "prompt_tuning", "flyp", "directions"])  # fmt: skip
def test_a_model_on_the_way_is_what_the_method_returns_there(
    train: Callable[..., Classifier],
    start: Classifier,
    toy_data: ImageData,
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At a constant rate a shorter training ends where the longer one passes."""
    monkeypatch.setattr("adapt.training.trainer.trajectory.CONSTANT", 1 / 2)
    optim, keeps = replace(QUICK, schedule="constant"), Keeps(tmp_path, 1)
    last = train(start, toy_data, optim, replace(context, trajectory=keeps))
    shorter = train(start, toy_data, replace(optim, epochs=3), context)
    assert bit_equal(keeps.models[0], weights(shorter))
    assert not bit_equal(keeps.models[0], weights(last))


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_a_resumed_training_has_the_same_models(
    ema: float,
    start: Classifier,
    toy_data: ImageData,
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optim, whole = replace(QUICK, ema=ema), Keeps(tmp_path / "whole", 2)
    fit(start, toy_data, optim, replace(context, trajectory=whole))
    original, count = AdaptModule.training_step, 0

    def crash(self: AdaptModule, *given: Any) -> Any:
        nonlocal count
        count += 1
        if count == 10:  # the weights after eight steps are written
            raise Stop
        return original(self, *given)

    runtime = replace(context.runtime, checkpoint_minutes=0)
    own = replace(context, folder=tmp_path / "run", runtime=runtime, resume=True)
    keeps = Keeps(tmp_path / "kept", 2)
    with monkeypatch.context() as patch:
        patch.setattr(AdaptModule, "training_step", crash)
        with pytest.raises(Stop):
            fit(start, toy_data, optim, replace(own, trajectory=keeps))
    assert [path.name for path in keeps.folder.iterdir()] == ["0.safetensors"]
    assert not keeps.models
    torch.manual_seed(77)
    fit(start, toy_data, optim, replace(own, trajectory=keeps))
    assert all(bit_equal(keeps.models[n], whole.models[n]) for n in range(2))


def test_a_training_whose_weights_are_gone_begins_anew(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    told: list[str] = []
    own = replace(context, folder=tmp_path / "run", resume=True, tell=told.append)
    first, second, third = (Keeps(tmp_path / "kept", 2) for _ in range(3))
    last = weights(fit(start, toy_data, QUICK, replace(own, trajectory=first)))
    assert bit_equal(last, weights(fit(start, toy_data, QUICK, replace(own, trajectory=second))))
    assert not told
    (tmp_path / "kept" / "0.safetensors").unlink()
    assert bit_equal(last, weights(fit(start, toy_data, QUICK, replace(own, trajectory=third))))
    assert told == [f"{tmp_path / 'kept'} lacks weights: the training begins anew"]
    for keeps in (second, third):
        assert all(bit_equal(first.models[n], keeps.models[n]) for n in range(2))


def test_more_models_than_steps(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="too many - 7 of the last 6 steps of 12 - give fewer"):
        fit(start, toy_data, QUICK, replace(context, trajectory=Keeps(tmp_path, 6)))
