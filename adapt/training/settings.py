"""Plain settings of the training loop; usable on every floor."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

PRECISIONS = ("auto", "32", "bf16-mixed", "16-mixed")
SCHEDULES = ("cosine", "constant")
CLASS_WEIGHTS = ("none", "auto")


@dataclass
class Optim:
    """Optimiser, schedule and regularisation of one training.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    lr: float = 1e-5
    """Highest learning rate, reached after the warm-up."""
    epochs: int = 10
    """Passes over the training images."""
    batch_size: int = 64
    """Images in one optimiser step (over all devices and accumulated micro-batches)."""
    weight_decay: float = 0.1
    """AdamW weight decay; gains and biases have none."""
    warmup: float = 0.1
    """Share of the steps with linearly rising learning rate."""
    schedule: str = "cosine"
    """What follows the warm-up: `cosine` (to zero) or `constant`."""
    clip_norm: float = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes."""
    mixup: float = 0.0
    """Blend each image with another of its batch, by a share from Beta(alpha, alpha); 0 is off. The
    paper takes alpha from 0.1 to 0.4."""
    cutmix: float = 0.0
    """Put a box of another image of the batch into each, its share of the area from Beta(alpha,
    alpha); 0 is off. The paper takes 1. With mixup too, each batch gets one of them at random."""
    class_weights: str | dict[str, float] = "none"
    """Weight of an image in the loss: `none`, `auto` (inverse to the images of its class, 1 in the
    mean over the images) or weights by class name; classes not named weigh 1."""
    layer_decay: float = 1.0
    """Factor on the learning rate for each layer further from the head; 1 treats all alike."""
    freeze_first: int = 0
    """Image-encoder blocks, counted from the input (which is frozen with them), that do not
    train."""
    ema: float = 0.0
    """Decay of an exponential moving average of the weights, returned in their place; 0 is off."""
    l2_sp: float = 0.0
    """Weight of the sum of squared distances of what trains to where it began (L2-SP); try 0.01."""
    feature_distillation: float = 0.0
    """Weight of the distance of the image encoder's features, at every depth, to the start's
    (LDIFS); the paper takes 10."""
    self_distillation: float = 0.0
    """Weight of the divergence from a slower copy of the model itself (CaRot); the paper takes
    1.5."""
    accumulate: int = 1
    """Micro-batches added up for one step; `batch_size` stays what it is."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about 30 % slower."""

    def __post_init__(self) -> None:
        checks = {
            "lr": self.lr > 0,
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "weight_decay": self.weight_decay >= 0,
            "warmup": 0 <= self.warmup < 1,
            "schedule": self.schedule in SCHEDULES,
            "clip_norm": self.clip_norm >= 0,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "mixup": self.mixup >= 0,
            "cutmix": self.cutmix >= 0,
            "layer_decay": 0 < self.layer_decay <= 1,
            "freeze_first": self.freeze_first >= 0,
            "ema": 0 <= self.ema < 1,
            "l2_sp": self.l2_sp >= 0,
            "feature_distillation": self.feature_distillation >= 0,
            "self_distillation": self.self_distillation >= 0,
            "accumulate": self.accumulate >= 1 and self.batch_size % self.accumulate == 0,
        }
        for name, good in checks.items():
            if not good:
                raise ValueError(
                    f"{name} - out of range - {getattr(self, name)!r} - {RANGES[name]}"
                )
        check_class_weights(self.class_weights)


def check_class_weights(given: str | Mapping[str, float]) -> None:
    """Refuse what cannot be weights of classes; the names are known only with the data.

    Raises:
        ValueError: Lists every mistake, one a line.

    >>> check_class_weights({"cat": 1.0, "dog": 2.5})
    """
    wrong: list[tuple[str, object, str]]
    if isinstance(given, str):
        wrong = [] if given in CLASS_WEIGHTS else [("class_weights", given, "not known")]
        advice = f"choose one of {', '.join(CLASS_WEIGHTS)}, or give weights by class name"
    else:
        advice = "give numbers above 0 by class name"
        wrong = [] if given else [("class_weights", given, "empty")]
        wrong += [
            (f"class_weights.{name}", weight, "out of range")
            for name, weight in given.items()
            if not 0 < weight < math.inf
        ]
    if wrong:
        lines = [f"{path} - {what} - {value!r} - {advice}" for path, value, what in wrong]
        raise ValueError("\n".join(lines))


RANGES = {
    "lr": "give a number above 0",
    "epochs": "give 1 or more",
    "batch_size": "give 1 or more",
    "weight_decay": "give 0 or more",
    "warmup": "give a share from 0 up to, not including, 1",
    "schedule": f"choose one of {', '.join(SCHEDULES)}",
    "clip_norm": "give 0 (off) or more",
    "label_smoothing": "give a share from 0 up to, not including, 1",
    "mixup": "give 0 (off) or an alpha",
    "cutmix": "give 0 (off) or an alpha",
    "layer_decay": "give a factor above 0, at most 1",
    "freeze_first": "give 0 or more",
    "ema": "give 0 (off) or a decay below 1",
    "l2_sp": "give 0 (off) or a weight",
    "feature_distillation": "give 0 (off) or a weight",
    "self_distillation": "give 0 (off) or a weight",
    "accumulate": "give a number of micro-batches that divides batch_size",
}


@dataclass
class Runtime:
    """Where and how precisely to compute.

    Raises:
        ValueError: When `precision` is not known or `workers` is neither `auto` nor a count.
    """

    accelerator: str = "auto"
    """Lightning accelerator: `auto`, `cpu`, `gpu`, `mps`."""
    devices: int = 1
    """Devices to train on."""
    strategy: str = "auto"
    """Lightning strategy: `auto`, `ddp`, `fsdp`, ..."""
    precision: str = "auto"
    """`auto`, `32`, `bf16-mixed` or `16-mixed`."""
    workers: str = "auto"
    """Image-loading processes: `auto` or a count."""
    batch_size: int = 64
    """Images in one batch of evaluation and feature extraction."""
    loggers: list[str] | None = None
    """Beside the CSV log: any of `tensorboard`, `wandb`, `mlflow`."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision - not known - {self.precision!r} - choose one of "
                f"{', '.join(PRECISIONS)}"
            )
        self.workers = str(self.workers)
        if self.workers != "auto" and not self.workers.isdigit():
            raise ValueError(
                f"workers - not a count - {self.workers!r} - give `auto` or a number from 0 up"
            )
        if self.devices < 1:
            raise ValueError(f"devices - out of range - {self.devices} - give 1 or more")
        for name in self.loggers or []:
            if name not in ("tensorboard", "wandb", "mlflow"):
                raise ValueError(
                    f"loggers - not known - {name!r} - choose from tensorboard, wandb, mlflow"
                )


@dataclass
class Pretraining:
    """How long and how hard to train on pairs."""

    steps: int = 20_000
    """Optimiser steps in all."""
    batch_size: int = 256
    """Pairs in a step."""
    lr: float = 1e-3
    """Highest learning rate, reached after the warm-up."""
    warmup_steps: int = 500
    """Steps of linear warm-up; cosine decay to zero follows."""
    weight_decay: float = 0.05
    """AdamW weight decay on matrices; gains and biases have none."""
    concept_weight: float = 1.0
    """Weight of the auxiliary classification of frequent groups (leaves the early plateau)."""
    concept_size: int = 10
    """Members a group needs to be a class of the auxiliary head."""
    easy_steps: int = 1500
    """First steps, on groups with at least ``easy_size`` members and plain drawings."""
    easy_size: int = 20
    """See ``easy_steps``."""
    colour_weight: float = 3.0
    """How much more often a drawing with its own colours is shown."""
    plain: float = 0.4
    """Share of drawings left black on white after the easy steps."""

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "concept_size", "easy_size")
        ranges = dict.fromkeys(counts, (1.0, math.inf))
        ranges |= {"lr": (1e-12, math.inf), "plain": (0.0, 1.0), "colour_weight": (1e-12, math.inf)}
        others = ("warmup_steps", "weight_decay", "concept_weight", "easy_steps")
        ranges |= dict.fromkeys(others, (0.0, math.inf))
        wrong = [
            f"{name} - out of range - {getattr(self, name)} - give {_span(low, high)}"
            for name, (low, high) in ranges.items()
            if not low <= getattr(self, name) <= high
        ]
        if wrong:
            raise ValueError("\n".join(wrong))


def _span(low: float, high: float) -> str:
    if high < math.inf:
        return f"a share from {low:g} to {high:g}"
    return "a number above 0" if 0 < low < 1 else f"{low:g} or more"


MOST_SHOTS = 16


def with_epochs(optim: Optim, images: int, classes: int, steps_per_shot: int) -> Optim:
    """The settings with as many epochs as come nearest to so many steps for each shot.

    Args:
        optim: Its batch size counts; it is returned as it is for 0 steps.
        images: Training images.
        classes: Shots are the images per class, in the mean, and at most 16.
        steps_per_shot: Optimiser steps for each shot.
    """
    if not steps_per_shot:
        return optim
    shots = min(images / classes, MOST_SHOTS)
    epoch = math.ceil(images / min(optim.batch_size, images))
    return replace(optim, epochs=max(1, round(steps_per_shot * shots / epoch)))
