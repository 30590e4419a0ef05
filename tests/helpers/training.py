"""Trainings as several tests make them, and how their weights are compared."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.loop import train
from adapt.training.regularisers import Regularisers
from adapt.training.settings import Optim
from tests.helpers.tiny import CLASSES

QUICK = Optim(lr=1e-2, epochs=1, batch_size=8, warmup=0.0)
STILL = Optim(lr=1e-12, epochs=1, batch_size=24)
MODEL, ENCODER = "backbone.model.", "backbone.model.visual."
HEAD = {"head.weight", "head.bias"}
GROUPS = [0] * 12 + [1] * 8 + [2] * 2
"""Of the pairs in a packed folder."""


def fit(
    start: Classifier, data: ImageData, optim: Optim, context: Context, objective: Any = None
) -> Classifier:
    """Train the image encoder and the head of a copy."""
    copy = start.clone().requires_grad_(False)
    copy.backbone.image_encoder.requires_grad_(True)
    copy.head.requires_grad_(True)
    copy.head_from_text = False
    return train(copy, data, optim, context, objective)


def close(
    left: dict[str, Tensor], right: dict[str, Tensor], tolerance: float, keys: bool = True
) -> None:
    """Equal up to a tolerance; to be computed with `in_float64`, which says why.

    Without `keys` the bias of the keys is left out. It cancels in the softmax, so its gradient is
    rounding alone, which L2-SP then multiplies in each step until Adam makes full steps of it.
    """
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype in (torch.float64, torch.int64), name
        apart = (left[name].double() - right[name].double()).abs()
        if not keys and name.endswith("in_proj_bias"):
            apart.view(3, -1)[1] = 0
        difference = float(apart.max())
        assert difference <= tolerance, (name, difference)


def normalised(
    batches: Iterable[dict[str, Tensor]], classifier: Classifier
) -> Iterator[dict[str, Tensor]]:
    """Batches as a trainer hands them to a module: images in the numbers that a model reads."""
    for batch in batches:
        yield batch | {"image": classifier.backbone.preprocessing.normalise_batch(batch["image"])}


def by_hand(start: Classifier, data: ImageData, optim: Optim) -> list[dict[str, Tensor]]:
    """Plain PyTorch: the trainable weights after each step."""
    classifier = start.clone().requires_grad_(False)
    classifier.backbone.image_encoder.requires_grad_(True)
    classifier.head.requires_grad_(True)
    parameters = {n: p for n, p in classifier.named_parameters() if p.requires_grad}
    loader = ImageDataModule(
        data.train, None, CLASSES, start.backbone.preprocessing, "none", optim.batch_size, 0, 0
    ).train_dataloader()
    matrices = [p for p in parameters.values() if p.ndim >= 2]
    vectors = [p for p in parameters.values() if p.ndim < 2]
    steps = len(loader) * optim.epochs
    adam = torch.optim.AdamW(
        [{"params": vectors, "weight_decay": 0.0},
         {"params": matrices, "weight_decay": optim.weight_decay}],
        lr=optim.lr,
    )  # fmt: skip
    history = []
    for epoch in range(optim.epochs):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for batch in normalised(loader, start):
            for group in adam.param_groups:
                group["lr"] = optim.lr * (1 + math.cos(math.pi * len(history) / steps)) / 2
            adam.zero_grad()
            F.cross_entropy(
                classifier(batch["image"]).float(),  # as under mixed precision
                batch["target"],
                label_smoothing=optim.label_smoothing,
            ).backward()
            if optim.clip_norm:
                torch.nn.utils.clip_grad_norm_(parameters.values(), optim.clip_norm)
            adam.step()
            history.append({n: p.detach().clone() for n, p in parameters.items()})
    return history


class Stop(Exception):
    """Ends a training as a crash would."""


def plain_trainer(**options: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def changed(before: Classifier, after: Classifier) -> set[str]:
    """Names of the tensors that a training changed."""
    first, last = before.state_dict(), after.state_dict()
    return {name for name in first if not torch.equal(first[name], last[name])}


def after_prompts(classifier: Classifier, seed: int) -> torch.Generator:
    """The generator once a prompt of each class is drawn."""
    random = torch.Generator().manual_seed(seed)
    for own in classifier.prompts:
        torch.randint(len(own), (1,), generator=random)
    return random


def penalties_on(
    tuned: Classifier, began: Classifier, optim: Optim, pixels: Tensor, seed: int = 0
) -> dict[str, Tensor]:
    """What penalties that were built of `began` say of `tuned`; seed of their random numbers."""
    regularisers = Regularisers(began, optim)
    with regularisers.watch(tuned) as watched:
        logits = (tuned(pixels),)
    generator = torch.Generator().manual_seed(seed)
    return regularisers(tuned, pixels, watched, logits, lambda other: (other(pixels),), generator)


def with_gradients(loss: Tensor, classifier: Classifier) -> set[str]:
    """Names of the parameters of a classifier that a loss has a gradient with respect to."""
    named = dict(classifier.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {name for name, g in zip(named, gradients, strict=True) if g is not None and g.any()}
