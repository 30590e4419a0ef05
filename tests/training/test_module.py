"""The module: its schedule, and clipping in anyone's trainer."""

import math
from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.data_module import ImageDataModule
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim, schedule_factor
from tests.helpers.tiny import CLASSES
from tests.helpers.training import QUICK, plain_trainer


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_schedule(schedule: str) -> None:
    factor = schedule_factor(20, Optim(warmup=0.25, schedule=schedule))
    rising = [(step + 1) / 5 for step in range(5)]
    falling = [(1 + math.cos(math.pi * step / 15)) / 2 for step in range(16)]
    expected = rising + (falling if schedule == "cosine" else [1.0] * 16)
    assert [factor(step) for step in range(21)] == pytest.approx(expected)
    assert schedule_factor(20, Optim(warmup=0.0))(0) == 1.0
    assert schedule_factor(20, Optim())(30) == 0.0


class Norms(pl.Callback):
    """Norm and largest entry of the gradients that each step was made with."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        entries = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        self.seen.append((float(entries.norm()), float(entries.abs().max())))


@pytest.mark.numerical
@pytest.mark.parametrize(
    ("own", "trainers", "norm", "entry"),
    [
        (0.0, {}, None, None),
        (0.01, {}, 0.01, None),
        (0.0, {"gradient_clip_val": 0.02}, 0.02, None),
        (0.03, {"gradient_clip_val": 0.02}, 0.02, None),
        (0.01, {"gradient_clip_val": 0.02, "gradient_clip_algorithm": "norm"}, 0.01, None),
        (0.0, {"gradient_clip_val": 1e-3, "gradient_clip_algorithm": "value"}, None, 1e-3),
        (0.01, {"gradient_clip_val": 1e-4, "gradient_clip_algorithm": "value"}, None, 1e-4),
        (0.01, {"gradient_clip_val": 5.0, "gradient_clip_algorithm": "value"}, 0.01, None),
    ],
)
def test_clipping_in_a_trainer_of_ones_own(
    own: float,
    trainers: dict[str, Any],
    norm: float | None,
    entry: float | None,
    start: Classifier,
    toy_data: ImageData,
) -> None:
    copy = adapt.method("paint").prepare(start)
    loader = ImageDataModule(
        toy_data.train, None, CLASSES, copy.backbone.preprocessing, "none", 24, 0
    )
    norms = Norms()
    trainer = plain_trainer(max_epochs=1, callbacks=[norms], **trainers)
    trainer.fit(AdaptModule(copy, replace(QUICK, clip_norm=own)), datamodule=loader)
    ((length, largest),) = norms.seen
    if norm is not None:
        assert length == pytest.approx(norm, rel=1e-3)
    elif entry is not None:
        assert largest == pytest.approx(entry, rel=1e-4)
        assert own == 0 or length < own
    else:
        assert length > 0.1
        assert largest > 1e-2
        assert math.isfinite(length)


@pytest.mark.parametrize("train", ["given", "head", "image", "all"])
def test_a_classifier_straight_from_clip_trains_tests_and_predicts(
    train: str, start: Classifier, toy_data: ImageData
) -> None:
    classifier = start.clone().requires_grad_(True)
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    loader = ImageDataModule(
        toy_data.train, None, CLASSES, start.backbone.preprocessing, "none", 7, 0
    ).testing(toy_data.val)
    module, trainer = AdaptModule(classifier, QUICK, train=train), plain_trainer(max_epochs=1)
    trainer.fit(module, datamodule=loader)
    (scores,) = trainer.test(module, datamodule=loader, verbose=False)
    batches = trainer.predict(module, datamodule=loader)
    changed = {
        name for name, value in classifier.state_dict().items() if (value != before[name]).any()
    }
    groups = {
        (".visual." in name and "image") or (name.startswith("head.") and "head") or "text"
        for name in changed
    }
    expected = {"head": {"head"}, "image": {"image", "head"}}
    assert groups == expected.get(train, {"image", "head", "text"})

    targets = torch.from_numpy(toy_data.val.targets(CLASSES))
    pixels = start.backbone.preprocessing.normalise_batch(
        torch.stack([loader.test_set[i]["image"] for i in range(len(toy_data.val))])
    )
    with torch.no_grad():
        logits = classifier.eval()(pixels)
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(len(targets)))
    torch.testing.assert_close(
        torch.cat([batch["probabilities"] for batch in batches]),
        logits.softmax(1),
        rtol=1e-4,
        atol=1e-5,
    )
    assert scores["test_accuracy"] == pytest.approx(
        float((logits.argmax(1) == targets).float().mean())
    )
    losses = torch.nn.functional.cross_entropy(logits, targets)
    assert scores["test_loss"] == pytest.approx(float(losses), rel=1e-4)


def test_what_cannot_train_is_refused(start: Classifier) -> None:
    with pytest.raises(ModelError, match="train - not known - 'heads', did you mean 'head'"):
        AdaptModule(start.clone(), QUICK, train="heads")
    learned = start.clone()
    learned.head_from_text = False
    with pytest.raises(ModelError, match="the text encoder has no part in a learned head"):
        AdaptModule(learned, QUICK, train="all")
