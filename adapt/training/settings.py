"""Plain settings of the training loop; usable on every floor."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from adapt.common.ranges import (
    Range,
    Ranges,
    above,
    at_least,
    fraction,
    matching,
    one_of,
    or_none,
    some_of,
    within,
)

INFERENCE_PRECISIONS = ("32", "tf32", "bf16")
PRECISIONS = ("auto", "32", "bf16-mixed", "16-mixed")
EVALUATED = 64
"""Images in a batch of evaluation where no number is given."""
HALF_WEIGHTS = ("16-true", "bf16-true")
"""Lightning's words for weights that have no copy in float32."""
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
STRATEGIES = ("auto", "ddp", "fsdp")
SCHEDULES = ("cosine", "constant")
CLASS_WEIGHTS = ("none", "auto")
AUTO_LOSS, BINARY, ASYMMETRIC = "auto", "binary", "asymmetric"
LOSSES = (AUTO_LOSS, BINARY, ASYMMETRIC)
COMPILE = ("none", "default", "cuda_graphs")
LOGGERS = ("tensorboard", "wandb", "mlflow")
MOST_SHOTS = 16
"""Images per class above which CLIP-LoRA and 2SFS take no more steps."""


OF_IMAGE_ENCODER = (
    "feature_distillation", "car_ft", "lipsum_ft", "orthogonality", "cross_norm"
)  # fmt: skip
"""Penalties on an image encoder, which has to train for them."""
BESIDE_GROUPS = {"mixup": 0, "cutmix": 0, "class_weights": "none", "accumulate": 1}
"""Settings that the loss of the worst group does not have, and what turns them off: a mixed image
is of no group, groups have weights already, and their means need the whole batch."""
OF_WHOLE_WEIGHTS = ("ema", "l2_sp", "self_distillation")
"""Settings that need all weights in every process, which `fsdp` shares out."""


class _Precision(Range):
    """Says why weights are not trained in half precision."""

    def sentence(self, name: str, value: Any) -> str:
        if value not in HALF_WEIGHTS:
            return super().sentence(name, value)
        problem = "weights in half precision lose small updates"
        return f"{name} - {problem} - {value!r} - {self.advice}"


_PRECISION = one_of(PRECISIONS)
_BATCH = Range(
    lambda value: re.fullmatch("auto|[1-9][0-9]{0,5}", str(value)) is not None,
    "give `auto` or a number from 1 up, at most 999,999",
    schema={"pattern": "^(?:auto|[1-9][0-9]{0,5})$", "minimum": 1, "maximum": 999_999},
)


@dataclass
class Optim:
    """Optimiser, schedule and regularisation of one training.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(
        lr=above(),
        epochs=at_least(1),
        batch_size=at_least(1),
        weight_decay=at_least(0),
        warmup=fraction(one=False),
        schedule=one_of(SCHEDULES),
        clip_norm=at_least(0, "off"),
        loss=one_of(LOSSES),
        label_smoothing=fraction(one=False),
        mixup=at_least(0, "off"),
        cutmix=at_least(0, "off"),
        layer_decay=fraction(zero=False),
        freeze_first=at_least(0),
        accumulate=at_least(1),
        ema=fraction(one=False),
        l2_sp=at_least(0, "off"),
        feature_distillation=at_least(0, "off"),
        self_distillation=at_least(0, "off"),
        car_ft=at_least(0, "off"),
        lipsum_ft=at_least(0, "off"),
        orthogonality=at_least(0, "off"),
        cross_norm=at_least(0, "off"),
        group_rate=above(),
        group_adjustment=at_least(0, "off"),
    )

    lr: float = 1e-5
    """Highest learning rate, reached after the warm-up."""
    epochs: int = 10
    """Passes over the training images."""
    batch_size: int = 64
    """Images in one optimiser step, accumulated micro-batches included; see `grow`."""
    weight_decay: float = 0.1
    """AdamW weight decay; gains and biases have none."""
    warmup: float = 0.1
    """Fraction of the steps with linearly rising learning rate."""
    schedule: str = "cosine"
    """What follows the warm-up: `cosine` (to zero) or `constant`."""
    clip_norm: float = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    loss: str = AUTO_LOSS
    """For several labels per image: `binary` cross-entropy of each class, which is `auto`, or
    `asymmetric`, by which easy absences count little (arXiv:2009.14119)."""
    label_smoothing: float = 0.0
    """Fraction of the target spread over all classes; of several labels, over yes and no."""
    mixup: float = 0.0
    """Blend each image with another of its batch, by a fraction from Beta(alpha, alpha); 0 is off.
    The paper takes alpha from 0.1 to 0.4."""
    cutmix: float = 0.0
    """Put a box of another image of the batch into each, its fraction of the area from Beta(alpha,
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
    """Weight of the distance of the image encoder's features, at five depths, to the start's
    (LDIFS), in the unit of the paper, which takes 10; the embedded model needs 300."""
    self_distillation: float = 0.0
    """Weight of the divergence from a slower copy of the model itself (CaRot); the paper takes
    1.5."""
    car_ft: float = 0.0
    """Weight of the divergence from the start's distribution over 80 contexts of an image, such as
    sketch, toy or bad photo (CAR-FT); try 1. It reads 80 prompts per class before the first
    step."""
    lipsum_ft: float = 0.0
    """Weight of the squared distance of an image's similarities to 80 random texts, drawn anew in
    each step, to the start's (Lipsum-FT); the authors take 1."""
    orthogonality: float = 0.0
    """Weight of the distance of the image encoder's projection from an orthogonal one (CaRot); the
    authors take 0.2. Their whole recipe is method `flyp` with it, `self_distillation` 1.5 and
    `cross_norm` 0.05."""
    cross_norm: float = 0.0
    """Weight of the norm of the product of both encoders' projections (CaRot); the authors' code
    takes 0.05."""
    groups: str = ""
    """Column of the table of training images for the loss of the worst group (Group-DRO,
    arXiv:1911.08731): each class with each of its values is a group, drawn equally often; an empty
    text is off."""
    group_rate: float = 0.01
    """Step size of the weights of groups; the authors take 0.01."""
    group_adjustment: float = 0.0
    """C: to the loss of a group of n images C / sqrt(n) is added before the weights follow it; the
    paper tries 0 to 5."""
    grow: bool = True
    """On N GPUs a step takes N times `batch_size` images, at sqrt(N) times `lr`, Adam's rule
    (arXiv:2205.10287); without it, and on processors, they share `batch_size`, and `lr` stays."""
    accumulate: int = 1
    """Micro-batches added up for one step; `batch_size` stays what it is."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about 30 % slower."""

    def __post_init__(self) -> None:
        uneven = self.accumulate > 0 and self.batch_size % self.accumulate
        what = f"accumulate - does not divide batch_size - {self.accumulate} of {self.batch_size}"
        advice = "give a number of micro-batches that does"
        self.ranges.check(self, [f"{what} - {advice}"] if uneven else self._beside_groups())
        check_class_weights(self.class_weights)

    def _beside_groups(self) -> list[str]:
        """What does not go with the loss of the worst group."""
        advice = "set it to {off}, or leave groups out"
        return [
            f"{name} - does not go with groups - {getattr(self, name)!r} - {advice.format(off=off)}"
            for name, off in BESIDE_GROUPS.items()
            if self.groups and getattr(self, name) != off
        ]


def check_class_weights(given: str | Mapping[str, float]) -> None:
    """Refuse what cannot be weights of classes; the names are known only with the data.

    Raises:
        ValueError: Lists every mistake, one per line.

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


@dataclass
class Runtime:
    """Where and how precisely to compute.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(
        accelerator=one_of(ACCELERATORS),
        devices=within(1, 1024),
        strategy=one_of(STRATEGIES),
        precision=_Precision(**vars(_PRECISION)),
        workers=matching(
            "auto|[0-9]{1,3}", "give `auto` or a number from 0 up, at most 999", "not a count"
        ),
        batch_size=_BATCH,
        inference_precision=one_of(INFERENCE_PRECISIONS),
        compile=one_of(COMPILE),
        checkpoint_minutes=at_least(0, "after every step"),
        loggers=or_none(some_of(LOGGERS)),
    )

    accelerator: str = "auto"
    """`auto`, `cpu`, `gpu` (CUDA or Apple's), `cuda` or `mps`."""
    devices: int = 1
    """Devices of this machine that train and compute features together, each by a process of its
    own. Where torchrun or SLURM start the processes, leave it out."""
    strategy: str = "auto"
    """What each of several devices has: the whole model (`ddp`, which `auto` is), or a part of each
    block of a transformer (`fsdp`, FSDP2), for models that one device cannot train."""
    precision: str = "auto"
    """`auto`, `32`, `bf16-mixed` or `16-mixed`."""
    workers: str = "auto"
    """Image-loading processes of each device: `auto` (its share of the cores) or a count."""
    batch_size: int | str = 64
    """Images in one batch of evaluation and feature extraction. With `auto` these are 64, and a
    training takes as many at once as fit: all of a step, a half, a quarter and so on, so that a
    step keeps its images and its rate. On a GPU the first steps find it, on a CPU the estimate of
    `adapt plan` and the memory that is free."""
    inference_precision: str = "32"
    """Of the models that alpha is chosen among on held-out images, and of the points of the curve:
    `32`, `tf32` (CUDA's tensor cores) or `bf16`. Scores on evals, and features that methods learn
    from, are always computed in float32."""
    channels_last: bool = False
    """Train with the channels of a pixel side by side in memory: faster for convolutional encoders
    on a GPU, of no use to others."""
    compile: str = "none"
    """Training with `torch.compile` of the image encoder: `none`, `default`, or `cuda_graphs`,
    which also records the kernels. Compiling takes a minute or more."""
    checkpoint_minutes: float = 10.0
    """Time between two checkpoints; there is always one at the end."""
    loggers: list[str] | None = None
    """Beside the CSV log: any of `tensorboard`, `wandb`, `mlflow`."""

    def __post_init__(self) -> None:
        self.workers = str(self.workers)
        if str(self.batch_size).isdigit():
            self.batch_size = int(self.batch_size)
        self.ranges.check(self)

    @property
    def images(self) -> int:
        """Images in one batch of evaluation and feature extraction."""
        return EVALUATED if isinstance(self.batch_size, str) else self.batch_size


def for_devices(optim: Optim, devices: int) -> Optim:
    """The settings as they are on several devices; see `Optim.grow`.

    >>> grown = for_devices(Optim(lr=1e-5, batch_size=64), 4)
    >>> grown.batch_size, grown.lr
    (256, 2e-05)
    """
    if not optim.grow or devices == 1:
        return optim
    return replace(
        optim, batch_size=devices * optim.batch_size, lr=math.sqrt(devices) * optim.lr, grow=False
    )


def warm_up_and_fall(step: int, warmup: int, steps: int) -> float:
    """Factor on a learning rate: a linear rise to 1, then half a cosine that ends at 0.

    Args:
        step: From 0.
        warmup: Steps of the rise.
        steps: All steps; the factor stays 0 after them.

    >>> [round(warm_up_and_fall(step, 2, 10), 3) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 0.5 * (1 + math.cos(math.pi * done))


def schedule_factor(steps: int, optim: Optim) -> Callable[[int], float]:
    """Factor on the learning rate at each step.

    >>> factor = schedule_factor(10, Optim(warmup=0.2, schedule="constant"))
    >>> [factor(step) for step in (0, 1, 2, 10)]
    [0.5, 1.0, 1.0, 1.0]
    """
    warmup = round(steps * optim.warmup)

    def factor(step: int) -> float:
        constant = optim.schedule == "constant" and step >= warmup
        return 1.0 if constant else warm_up_and_fall(step, warmup, steps)

    return factor


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
