"""Collapse: found where it is, and not found in small or healthy sets."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.settings import Optim
from adapt.training.trainer.collapse import CollapseDetector
from tests.helpers.training import STILL, fit

NAMES = ["cat", "dog", "owl"]


def unit(count: int, spread: float) -> Tensor:
    random = torch.Generator().manual_seed(0)
    features = torch.ones(1, 16) + spread * torch.randn(count, 16, generator=random)
    return torch.nn.functional.normalize(features, dim=1)


@pytest.mark.parametrize("spread", [0.0, 0.003, 0.3])
def test_variance_is_the_mean_squared_distance_from_the_mean(spread: float) -> None:
    answers, features = CollapseDetector(NAMES), unit(40, spread)
    targets, logits = torch.arange(40) % 3, torch.randn(40, 3)
    for rows in torch.arange(40).split(16):
        answers.add(logits[rows], targets[rows], features[rows])
    expected = (features - features.mean(0)).square().sum(1).mean()
    assert answers.take("val") == pytest.approx(float(expected), abs=1e-6)
    assert (answers.collapse is not None) == (spread < 0.01)


@pytest.mark.parametrize(
    ("targets", "collapses"),
    [([0] * 10 + [1] * 10, True), ([0] * 90 + [2] * 9, False), ([0] * 40, False), ([1, 2], False)],
    ids=["ten wrong", "nine wrong", "one class", "two images"],
)
def test_one_answer_to_all(targets: list[int], collapses: bool) -> None:
    answers, target = CollapseDetector(NAMES), torch.tensor(targets)
    answers.add(torch.tensor([[1.0, 0.0, 0.0]]).repeat(len(targets), 1), target)
    assert answers.take("val") is None
    assert (answers.collapse is not None) == collapses
    answers.add(torch.eye(3).repeat(20, 1), torch.arange(3).repeat(20))
    answers.take("val")
    assert answers.collapse is None, "a pass begins anew"


def test_over_devices() -> None:
    """Of two devices with the same number of images, each sees one class alone."""
    shares = []
    for label in (0, 1):
        answers = CollapseDetector(NAMES)
        answers.add(torch.eye(3)[[label] * 20], torch.full((20,), label), unit(20, 0.3))
        shares.append(answers)
    total = sum(answers.sums for answers in shares)  # type: ignore[misc]
    shares[0].take("val", lambda _: total)  # type: ignore[arg-type, return-value]
    assert shares[0].collapse is None


@pytest.mark.parametrize("with_val", [True, False])
def test_a_training_tells_of_it(
    with_val: bool, start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    told: list[str] = []
    data = ImageData(toy_data.train, toy_data.train if with_val else None)
    own, broken = replace(context, folder=tmp_path, tell=told.append), start.clone()
    fit(start, data, STILL, own)
    assert not told
    with torch.no_grad():
        broken.backbone.image_encoder.conv1.weight.zero_()
    fit(broken, data, STILL, own)
    name = "val" if with_val else "training"
    (sentence,) = told
    if with_val:
        assert sentence.startswith(f"after training, the features of the 24 {name} images are nea")
        with (tmp_path / "log" / "metrics.csv").open() as file:
            values = [row["val_feature_variance"] for row in csv.DictReader(file)]
        assert float(next(value for value in values if value)) < 1e-5
    else:
        assert sentence.startswith("after training, the model gives one answer, ")
        assert sentence.endswith(" of other classes: lower method.optim.lr")


def test_small_sets_do_not_collapse(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """Three images in one batch, a val set of twelve."""
    told: list[str] = []
    data = ImageData(toy_data.train.subset([0, 8, 16]), toy_data.val)
    fit(start, data, Optim(lr=1e-3, epochs=2), replace(context, tell=told.append))
    assert not told
