"""What is not finite, norms in the log against gradients taken by hand, and half precision."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from adapt.data.image_data import ImageData
from adapt.errors import ModelError, RunError
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.module import AdaptModule
from adapt.training.objectives import Batch, CrossEntropy, Objective, Outcome
from adapt.training.settings import Optim, Runtime
from adapt.training.trainer.checkpoints import LAST
from adapt.training.trainer.numbers import check_finite, check_trained_in_full
from tests.helpers.tiny import weights
from tests.helpers.training import fit

QUICK = Optim(lr=1e-3, epochs=2, batch_size=8, warmup=0.0)


def broken_from(call: int) -> Objective:
    """Cross-entropy that is not a number from some call on."""
    calls = [0]

    def objective(classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        calls[0] += 1
        loss, logits = CrossEntropy()(classifier, batch, generator)
        return loss * (math.nan if calls[0] >= call else 1.0), logits

    return objective


@pytest.mark.parametrize("call", [2, 4])
def test_the_last_good_weights_are_kept(
    call: int, tmp_path: Path, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """Two epochs of three steps; the weights are those of a training that was cut off there."""
    own, good = replace(context, folder=tmp_path), []

    def objective(*given: object) -> Outcome:
        good.append({n: v.clone() for n, v in weights(given[0]).items()})  # type: ignore[arg-type]
        return broken(*given)  # type: ignore[arg-type]

    broken = broken_from(call)
    last = tmp_path / "checkpoints" / LAST
    with pytest.raises(RunError) as caught:
        fit(start, toy_data, QUICK, own, objective)
    assert str(caught.value) == (
        f"training - loss not finite - 3 steps in a row, up to step {call + 2} of 6 - lower "
        f"optim.lr or set runtime.precision=32; the last good weights are in {last}"
    )
    content = torch.load(last, weights_only=True)
    kept = {n.removeprefix("classifier."): v for n, v in content["state_dict"].items()}
    assert kept
    for name, value in kept.items():
        assert torch.equal(value, good[call - 1][name]), name
    assert content["tally"]["skipped"] == 2, "the third ended the training"


def test_nothing_is_kept_where_no_step_was_good(
    tmp_path: Path, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    with pytest.raises(RunError, match=r"precision=32; nothing is saved"):
        fit(start, toy_data, QUICK, replace(context, folder=tmp_path), broken_from(1))
    assert not (tmp_path / "checkpoints" / LAST).exists()


def test_norms_in_the_log(
    tmp_path: Path, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """Mean and largest of the three steps of an epoch, before they are clipped."""
    norms: list[float] = []
    copy = start.clone().requires_grad_(False)
    copy.head.requires_grad_(True)
    copy.head_from_text = False

    def objective(classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        loss, logits = CrossEntropy()(classifier, batch, generator)
        own = torch.autograd.grad(loss, list(classifier.head.parameters()), retain_graph=True)
        norms.append(math.sqrt(sum(float(value.square().sum()) for value in own)))
        return loss, logits

    optim = replace(QUICK, clip_norm=0.01)
    train(copy, toy_data, optim, replace(context, folder=tmp_path), objective)
    with (tmp_path / "log" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["gradient_norm"]]
    assert len(rows) == 2
    assert len(norms) == 6
    for row, own in zip(rows, (norms[:3], norms[3:]), strict=True):
        assert float(row["gradient_norm"]) == pytest.approx(sum(own) / 3, rel=1e-5)
        assert float(row["largest_gradient_norm"]) == pytest.approx(max(own), rel=1e-5)
    assert "gradient_scale" not in rows[0], "nothing is scaled in float32"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_are_not_trained(
    dtype: torch.dtype, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    half = start.clone().requires_grad_(True).to(dtype)
    with pytest.raises(ModelError, match=r"trains in half precision - .*float16 - .*16-mixed"):
        train(half, toy_data, QUICK, context)
    frozen = nn.Linear(2, 2, dtype=dtype).requires_grad_(False)
    check_trained_in_full([*frozen.named_parameters(), *nn.Linear(2, 2).named_parameters()])


@pytest.mark.parametrize("precision", ["16-true", "bf16-true"])
def test_half_precision_is_no_setting(precision: str) -> None:
    with pytest.raises(ValueError, match=r"^precision - weights in half precision lose small up"):
        Runtime(precision=precision)


def test_no_checkpoint_holds_what_is_no_number(start: Classifier) -> None:
    module = AdaptModule(start.clone().requires_grad_(True), QUICK)
    module.on_save_checkpoint({"state_dict": {}})
    with torch.no_grad():
        module.classifier.backbone.image_encoder.proj[0, 0] = math.inf
    with pytest.raises(RunError, match=r"visual.proj - not finite"):
        module.on_save_checkpoint({"state_dict": {}})
    module.classifier.backbone.image_encoder.requires_grad_(False)
    check_finite(module.named_parameters())
