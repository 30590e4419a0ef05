"""The training loop against sums done by hand: rates, averages, batches, checkpoints."""

import csv
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.errors import ModelError, RunError
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.loop import micro_batch, train
from adapt.training.module import AdaptModule
from adapt.training.objectives import Batch, CrossEntropy, Objective, Outcome
from adapt.training.settings import Optim
from adapt.training.trainer.callbacks import MovingAverage
from adapt.version import __version__
from tests.helpers.layers import depth
from tests.helpers.tiny import (
    CLASSES,
    RESNET,
    VIT,
    bit_equal,
    in_float64,
    run_python,
    tiny_classifier,
    weights,
)
from tests.helpers.training import ENCODER, Stop, by_hand, close, fit, normalised, plain_trainer

QUICK = Optim(lr=1e-3, epochs=2, batch_size=8, warmup=0.0)
EXACT = 1e-9
"""Six Adam steps of 1e-3 in float64: of the gradient 1e-15 is rounding, and the steps are as long
as the rate wherever the gradient is well above that."""


@pytest.mark.numerical
@pytest.mark.parametrize(
    "optim", [QUICK, replace(QUICK, clip_norm=0.0, label_smoothing=0.1, weight_decay=0.5)]
)
def test_training_equals_plain_pytorch(
    optim: Optim, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    start = in_float64(start)
    found = weights(fit(start, toy_data, optim, context))
    history = by_hand(start, toy_data, optim)
    assert len(history) == 6
    close({n: found[n] for n in history[-1]}, history[-1], EXACT)
    assert (history[-1]["head.weight"] - start.head.weight).abs().max() > 1e-3


@pytest.mark.numerical
def test_moving_average_equals_one_kept_by_hand(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    optim, start = replace(QUICK, ema=0.3), in_float64(start)
    found = weights(fit(start, toy_data, optim, context))
    history = by_hand(start, toy_data, QUICK)
    average = {n: v.double() for n, v in history[0].items()}
    for step, values in enumerate(history[1:], 2):
        decay = min(0.3, (1 + step) / (10 + step))
        average = {n: decay * average[n] + (1 - decay) * v.double() for n, v in values.items()}
    close({n: found[n] for n in average}, average, EXACT)
    assert (average["head.weight"] - history[-1]["head.weight"]).abs().max() > 1e-4


@pytest.mark.numerical
@pytest.mark.parametrize("accumulate", [2, 4])
def test_micro_batches_add_up(
    accumulate: int, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    start = in_float64(start)
    whole = weights(fit(start, toy_data, QUICK, context))
    parts = weights(fit(start, toy_data, replace(QUICK, accumulate=accumulate), context))
    # The loss is float32, and its rounding may depend on how many images it is taken of.
    close(whole, parts, 1e-6)


@pytest.mark.numerical
@pytest.mark.parametrize("batch_size", [16, 20])
def test_the_last_window_is_divided_by_its_own_images(
    batch_size: int, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """24 images in micro-batches of 4 or 5: the last step has two of four, one of them smaller."""
    start = in_float64(start)
    optim = replace(QUICK, batch_size=batch_size)
    whole = weights(fit(start, toy_data, optim, context))
    parts = weights(fit(start, toy_data, replace(optim, accumulate=4), context))
    close(whole, parts, 1e-6)


def test_dropout_acts_while_training(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    found = []
    for dropout in (0.0, 0.5):
        method = adapt.method("lora", dropout=dropout, optim=replace(QUICK, epochs=1))
        found.append(weights(method.fit(start, toy_data, context)))
    assert not bit_equal(*found)


@pytest.mark.numerical
def test_statistics_of_batch_norms_are_averaged_with_the_weights(
    toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, history = tiny_classifier(RESNET), []
    original = MovingAverage.on_train_batch_end

    def keep(self: MovingAverage, trainer: Any, module: Any, *given: Any) -> None:
        history.append({n: v.clone() for n, v in module.classifier.state_dict().items()})
        original(self, trainer, module, *given)

    monkeypatch.setattr(MovingAverage, "on_train_batch_end", keep)
    found = weights(fit(start, toy_data, replace(QUICK, ema=0.3), context))
    steps = len(history)
    assert steps > 2
    for name, value in found.items():
        if name.endswith(("running_mean", "running_var")):
            average = history[0][name].double()
            for step in range(2, steps + 1):
                decay = min(0.3, (1 + step) / (10 + step))
                average = decay * average + (1 - decay) * history[step - 1][name].double()
            torch.testing.assert_close(value.double(), average, rtol=1e-5, atol=1e-7)
            assert not torch.equal(value, history[-1][name]), name
        if name.endswith("num_batches_tracked"):
            assert value == steps, name


def test_statistics_of_frozen_layers_stay(toy_data: ImageData, context: Context) -> None:
    start = tiny_classifier(RESNET)
    tuned = weights(fit(start, toy_data, replace(QUICK, freeze_first=2), context))
    for name, before in weights(start).items():
        if name.startswith(ENCODER) and depth(RESNET, name) <= 2:
            assert torch.equal(tuned[name], before), name
        elif name.endswith(("running_mean", "num_batches_tracked")):
            assert not torch.equal(tuned[name], before), name


@pytest.mark.numerical
def test_gradient_checkpointing_changes_nothing(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    start = in_float64(start)
    plain = weights(fit(start, toy_data, QUICK, context))
    saving = fit(start, toy_data, replace(QUICK, checkpointing=True), context)
    close(plain, weights(saving), EXACT)
    assert not saving.backbone.model.visual.transformer.grad_checkpointing


def test_shares_of_a_batch() -> None:
    assert micro_batch(Optim(batch_size=24, accumulate=3), 2) == 4
    with pytest.raises(ModelError, match="give a multiple of 6"):
        micro_batch(Optim(batch_size=9, accumulate=3), 2)


def test_layer_decay_and_freezing_reach_the_weights(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    before = weights(start)
    optim = replace(QUICK, freeze_first=1, epochs=1, layer_decay=1e-3, weight_decay=0.0)
    after = weights(fit(start, toy_data, optim, context))
    moved = {n: float((after[n] - before[n]).abs().max()) for n in before}
    for name, change in moved.items():
        if name.startswith(ENCODER) and depth(VIT, name) <= 1:
            assert change == 0, name
    block, top = (
        moved[f"{ENCODER}{n}"] for n in ("transformer.resblocks.1.mlp.c_fc.weight", "proj")
    )
    assert 0 < block < top / 100


def plus(penalty: Callable[[Classifier, Tensor], Tensor]) -> Objective:
    """Cross-entropy plus something made from the classifier and its logits."""

    def objective(classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        loss, (logits,) = CrossEntropy()(classifier, batch, generator)
        return loss + penalty(classifier, logits), (logits,)

    return objective


def test_an_objective_of_ones_own(start: Classifier, toy_data: ImageData, context: Context) -> None:
    seen = []

    def objective(classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        seen.append((batch["image"].shape, batch["index"].tolist()))
        bias = classifier.head.bias
        return plus(lambda *_: 100 * bias.square().sum() + bias[0] * 50)(
            classifier, batch, generator
        )

    plain = fit(start, toy_data, QUICK, context)
    held = fit(start, toy_data, QUICK, context, objective)
    assert seen[0][0] == (8, 3, 32, 32)
    assert sorted(index for _, indices in seen[:3] for index in indices) == list(range(24))
    assert held.head.bias[0] < plain.head.bias[0]


# Checkpoints


def with_folder(context: Context, folder: Path, resume: bool = False) -> Context:
    """A folder for the log and for a checkpoint after each step."""
    runtime = replace(context.runtime, checkpoint_minutes=0)
    return replace(context, folder=folder, resume=resume, runtime=runtime)


def test_a_checkpoint_holds_what_trains(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    tuned = fit(start, toy_data, QUICK, replace(context, folder=tmp_path))
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"last.ckpt", "previous.ckpt", "best.ckpt"}, "one after each epoch"
    path = tmp_path / "checkpoints" / "last.ckpt"
    stored = torch.load(path, weights_only=True)
    state = {n.removeprefix("classifier."): v for n, v in stored["state_dict"].items()}
    assert set(state) == {n for n, _ in tuned.named_parameters()} & {
        n for n in tuned.state_dict() if n.startswith((ENCODER, "head."))
    }
    assert all(torch.equal(value, tuned.state_dict()[n]) for n, value in state.items())
    assert stored["base_hash"] == start.backbone.spec.base_hash
    assert stored["made_by"]["adapt"] == __version__
    assert len(stored["made_by"]["code"]) == 64
    assert stored["epoch"] == 1
    log = (tmp_path / "log" / "metrics.csv").read_text()
    assert {"train_loss", "val_loss", "val_accuracy"} <= set(log.splitlines()[0].split(","))


@pytest.mark.numerical
@pytest.mark.parametrize(("ema", "workers"), [(0.0, "0"), (0.5, "0"), (0.0, "1")])
def test_resumed_equals_uninterrupted(
    ema: float,
    workers: str,
    start: Classifier,
    toy_data: ImageData,
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optim = replace(QUICK, epochs=4, ema=ema)
    # Loading processes read ahead: they must know the epoch before it begins.
    context = replace(context, runtime=replace(context.runtime, workers=workers))
    whole = weights(fit(start, toy_data, optim, context))
    original = AdaptModule.training_step
    count = 0

    def crash(self: AdaptModule, *given: Any) -> Any:
        nonlocal count
        count += 1
        if count == 8:  # in the third epoch of three steps each
            raise Stop
        return original(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(AdaptModule, "training_step", crash)
        with pytest.raises(Stop):
            fit(start, toy_data, optim, with_folder(context, tmp_path))
    torch.manual_seed(77)
    steps: list[int] = []
    monkeypatch.setattr(
        AdaptModule,
        "training_step",
        lambda self, *given: (steps.append(1), original(self, *given))[1],
    )
    resumed = weights(fit(start, toy_data, optim, with_folder(context, tmp_path, resume=True)))
    assert bit_equal(whole, resumed)
    assert len(steps) == 5, "seven of twelve steps were done before"
    finished = weights(fit(start, toy_data, optim, with_folder(context, tmp_path, resume=True)))
    assert bit_equal(whole, finished), "a finished training is not trained again"
    assert len(steps) == 5


def test_resume_without_a_checkpoint_starts(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    whole = weights(fit(start, toy_data, QUICK, context))
    found = fit(start, toy_data, QUICK, with_folder(context, tmp_path, resume=True))
    assert bit_equal(whole, weights(found))


def test_resume_with_other_base_weights_is_refused(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    fit(start, toy_data, QUICK, with_folder(context, tmp_path))
    with pytest.raises(RunError, match="made from other base weights"):
        fit(tiny_classifier(seed=5), toy_data, QUICK, with_folder(context, tmp_path, resume=True))


# What can go wrong


def poisoned(steps: set[int], value: float) -> Objective:
    """A loss that is not finite in some steps."""
    calls = []

    def penalty(classifier: Classifier, logits: Tensor) -> Tensor:
        calls.append(1)
        return logits.sum() * (value if len(calls) in steps else 0.0)

    return plus(penalty)


def test_skipped_steps_are_counted_and_left_out_of_means(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    """The second of three steps; the mean of its epoch is that of the first and third."""
    folder, losses = with_folder(context, tmp_path), []

    def objective(classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        loss, logits = CrossEntropy()(classifier, batch, generator)
        losses.append(float(loss.detach()))
        return loss * (math.nan if len(losses) == 2 else 1), logits

    fit(start, toy_data, QUICK, folder, objective)
    with (tmp_path / "log" / "metrics.csv").open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["train_loss"])
    assert float(row["skipped_steps"]) == 1
    assert float(row["train_loss"]) == pytest.approx((losses[0] + losses[2]) / 2, rel=1e-5)
    stored = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert stored["tally"]["skipped"] == 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_skipped(
    value: float, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    tuned = fit(start, toy_data, QUICK, context, poisoned({1, 2, 4, 5}, value))
    assert all(torch.isfinite(p).all() for p in tuned.parameters())
    with pytest.raises(RunError, match="loss not finite - 3 steps in a row"):
        fit(start, toy_data, QUICK, context, poisoned({2, 3, 4}, value))


def test_a_gradient_that_is_not_finite_is_skipped(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    def penalty_in(steps: set[int]) -> Objective:
        calls = []

        def penalty(classifier: Classifier, _: Tensor) -> Tensor:
            calls.append(1)
            zero = (classifier.head.bias - classifier.head.bias.detach()).sum()
            # The value is 0, its derivative infinite.
            return zero.abs().sqrt() if len(calls) in steps else zero * 0

        return plus(penalty)

    tuned = fit(start, toy_data, QUICK, context, penalty_in({1, 2, 4}))
    assert all(torch.isfinite(p).all() for p in tuned.parameters())
    with pytest.raises(RunError, match="gradient not finite - 3 steps in a row"):
        fit(start, toy_data, QUICK, context, penalty_in({1, 2, 3}))


@pytest.mark.numerical
def test_a_skipped_step_changes_nothing(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    optim = replace(QUICK, epochs=1, batch_size=24)
    tuned = fit(start, toy_data, optim, context, poisoned({1}, math.nan))
    assert bit_equal(weights(tuned), weights(start))


def test_a_parameter_without_gradient_is_named(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    copy = start.clone().requires_grad_(True)
    copy.head_from_text = False  # so nothing depends on the text encoder
    with pytest.raises(RunError, match=r"positional_embedding - trains but gets no gradient"):
        train(copy, toy_data, QUICK, context)


def test_nothing_to_train(start: Classifier, toy_data: ImageData, context: Context) -> None:
    with pytest.raises(ModelError, match="nothing would train"):
        train(start.clone().requires_grad_(False), toy_data, QUICK, context)


@pytest.mark.numerical
def test_validation_uses_the_head_of_the_moving_text_encoder(
    start: Classifier, toy_data: ImageData
) -> None:
    copy = start.clone().requires_grad_(False)
    copy.backbone.model.text_projection.requires_grad_(True)
    loader = ImageDataModule(
        toy_data.train, toy_data.val, CLASSES, copy.backbone.preprocessing, "none", 8, 0
    )
    module = AdaptModule(copy, replace(QUICK, lr=0.05))
    trainer = plain_trainer(max_epochs=2)
    trainer.fit(module, datamodule=loader)
    own = ImageDataModule(
        toy_data.train, toy_data.val, CLASSES, copy.backbone.preprocessing, "none", 64, 0
    )
    (batch,) = normalised(own.val_dataloader(), start)
    with torch.no_grad():
        logits = copy.features(batch["image"]) @ text_weights(copy.backbone, copy.prompts).T
        expected = F.cross_entropy(logits, batch["target"])
        stale = F.cross_entropy(start(batch["image"]), batch["target"])
    torch.testing.assert_close(trainer.callback_metrics["val_loss"], expected, atol=1e-4, rtol=0)
    assert abs(stale - expected) > 1e-2


# Machines


@pytest.mark.numerical
def test_bf16_on_a_cpu(start: Classifier, toy_data: ImageData, context: Context) -> None:
    own = replace(context, runtime=replace(context.runtime, precision="bf16-mixed"))
    rounded = weights(fit(start, toy_data, QUICK, own))
    exact = weights(fit(start, toy_data, QUICK, context))
    assert all(value.dtype == exact[name].dtype for name, value in rounded.items())
    change = (exact["head.weight"] - start.head.weight).abs().mean()
    error = (rounded["head.weight"] - exact["head.weight"]).abs().mean()
    assert 0 < error < change


TWO_PROCESSES = """
import sys, tempfile
from dataclasses import replace
from pathlib import Path
import torch
from tests.helpers import tiny
from adapt.data.image_data import ImageData
from adapt.training.data_module import ImageDataModule
from adapt.training.loop import make_trainer
from adapt.training.context import Context
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim, Runtime

if __name__ == "__main__":
    torch.set_num_threads(1)
    tiny.add_configs(Path(tempfile.mkdtemp()))
    data = ImageData.from_folder(sys.argv[1] + "/train", val=sys.argv[1] + "/val")
    val = data.val.subset([0, 1, 4, 5, 8, 9, 10])
    start = tiny.tiny_classifier()
    own = start.backbone.preprocessing
    loader = ImageDataModule(data.train, val, tiny.CLASSES, own, "none", 2, 0)
    runtime = Runtime(accelerator="cpu", devices=2, strategy="ddp", precision="32")
    trainer = make_trainer(Optim(epochs=1), Context(runtime, quiet=True))
    trainer.validate(AdaptModule(start, Optim()), datamodule=loader, verbose=False)
    if trainer.is_global_zero:
        print("accuracy", float(trainer.callback_metrics["val_accuracy"]), trainer.world_size)
"""


@pytest.mark.slow
def test_two_processes_score_exactly(toy_root: Path, tmp_path: Path, start: Classifier) -> None:
    """Seven images over two processes, none twice and none left out."""
    printed = run_python(TWO_PROCESSES, tmp_path, str(toy_root))
    (found,) = re.findall(r"accuracy (\S+) 2", printed)
    data = ImageData.from_folder(toy_root / "train", val=toy_root / "val")
    assert data.val is not None
    val = data.val.subset([0, 1, 4, 5, 8, 9, 10])
    own = start.backbone.preprocessing
    with torch.no_grad():
        guessed = [int(start(own(val.open(i))[None]).argmax()) for i in range(7)]
    expected = sum(a == b for a, b in zip(guessed, val.targets(CLASSES), strict=True)) / 7
    assert float(found) == pytest.approx(expected, abs=1e-6)
    assert 0 < expected < 1


# In a trainer of the user's own


@pytest.mark.numerical
def test_a_plain_trainer(start: Classifier, toy_data: ImageData, context: Context) -> None:
    copy = start.clone().requires_grad_(False)
    copy.backbone.image_encoder.requires_grad_(True)
    copy.head.requires_grad_(True)
    copy.head_from_text = False
    module = adapt.AdaptModule(copy, QUICK)
    loader = adapt.ImageDataModule(
        toy_data.train, toy_data.val, CLASSES, copy.backbone.preprocessing, "none", 8, 0
    )
    trainer = plain_trainer(max_epochs=2)
    trainer.fit(module, datamodule=loader)
    assert bit_equal(weights(copy), weights(fit(start, toy_data, QUICK, context)))
    (scores,) = trainer.validate(module, datamodule=loader, verbose=False)
    assert toy_data.val is not None
    own = copy.backbone.preprocessing
    targets = toy_data.val.targets(CLASSES)
    with torch.no_grad():
        pixels = torch.stack([own(toy_data.val.open(i)) for i in range(len(targets))])
        logits = module(pixels)
    assert scores["val_accuracy"] == pytest.approx((logits.argmax(1).numpy() == targets).mean())
    expected = F.cross_entropy(logits, torch.from_numpy(targets))
    assert scores["val_loss"] == pytest.approx(float(expected), abs=1e-5)
