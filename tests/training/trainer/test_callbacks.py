"""The moving average and the lines of progress."""

import re
from dataclasses import replace

import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim
from adapt.training.trainer.callbacks import MovingAverage, Told
from tests.helpers.tiny import CLASSES
from tests.helpers.training import fit, plain_trainer

QUICK = Optim(lr=1e-3, epochs=2, batch_size=8, warmup=0.0)


def test_the_average_in_a_plain_trainer(start: Classifier, toy_data: ImageData) -> None:
    copy = start.clone().requires_grad_(False)
    copy.head.requires_grad_(True)
    copy.head_from_text = False
    loader = ImageDataModule(
        toy_data.train, None, CLASSES, copy.backbone.preprocessing, "none", 8, 0
    )
    average = MovingAverage(0.9)
    plain_trainer(max_epochs=1, callbacks=[average]).fit(
        AdaptModule(copy, QUICK), datamodule=loader
    )
    assert set(average.average) == {"classifier.head.weight", "classifier.head.bias"}
    assert torch.equal(copy.head.weight, average.average["classifier.head.weight"])


def test_one_line_an_epoch(
    start: Classifier,
    toy_data: ImageData,
    context: Context,
    capfd: pytest.CaptureFixture[str],
) -> None:
    fit(start, toy_data, replace(QUICK, epochs=3), replace(context, quiet=False))
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 3
    for number, line in enumerate(lines, 1):
        pattern = (
            rf"epoch {number}/3  train_loss \d+\.\d{{4}}  val_loss \d+\.\d{{4}}  "
            r"val_accuracy [01]\.\d{4}  \d+ s"
        )
        assert re.fullmatch(pattern, "  ".join(sorted_parts(line))), line
    fit(start, toy_data, QUICK, context)
    assert capfd.readouterr() == ("", "")


def sorted_parts(line: str) -> list[str]:
    """The parts of a line with the three scores in a fixed order."""
    first, *scores, last = line.split("  ")
    order = ["train_loss", "val_loss", "val_accuracy"]
    return [first, *sorted(scores, key=lambda part: order.index(part.split()[0])), last]


def test_what_was_told_before_a_resume_is_told_once() -> None:
    before, now = list[str](), list[str]()
    first, second = Told(before.append), Told(now.append)
    first.tell("a logger is switched off")
    first.tell("fewer loading processes")
    second.tell("fewer loading processes")
    second.load_state_dict(first.state_dict())
    second.load_state_dict(first.state_dict())
    assert now == ["fewer loading processes", "a logger is switched off"]
    assert sorted(second.state_dict()["sentences"]) == sorted(before)
