"""The memory that a training takes, from a step that is computed without numbers."""

import gc
import weakref
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from adapt.methods import Method
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.recipe.schema import Recipe
from adapt.training.loop import micro_batch
from adapt.training.parameters import freeze_first, text_trains
from adapt.training.regularisers import Regularisers
from adapt.training.runtime import (
    grown,
    resolve_accelerator,
    resolve_precision,
    short_sequence_attention,
)
from adapt.training.settings import Optim

PROCESS = 1.1 * 2**30
"""Bytes of Python with its libraries and what its allocator keeps; counted on a CPU alone."""


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of a training, by what they are for."""

    process: float
    """Interpreter and libraries."""
    weights: float
    """The classifier that trains and, on a CPU, the start it was copied from."""
    copies: float
    """Frozen or slower copies of the weights: penalties and moving average."""
    optimiser: float
    """AdamW's two moments, and what several devices send each other."""
    step: float
    """The most that is alive at one moment of a step: activations and gradients."""

    @property
    def gib(self) -> float:
        """The sum, in GiB."""
        parts = (self.process, self.weights, self.copies, self.optimiser, self.step)
        return round(sum(parts) / 2**30, 2)


class Peak(TorchDispatchMode):
    """Follows which tensors are alive while it is on; works on fake tensors, which hold nothing.

    >>> with FakeTensorMode(), Peak() as peak:
    ...     _ = torch.ones(10).add(1).mul(2).sum()
    >>> peak.most, peak.now
    (80, 4)
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.most = 0, 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Compute, and count storages that are new."""
        result = function(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, FakeTensor):
                self._count(value)
        return result

    def _count(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        self.known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def training_memory(
    start: Classifier, tuned: Classifier, optim: Optim, batch: int, texts: int, where: "Where"
) -> Memory:
    """What training takes on one device.

    Args:
        start: What `tuned` was made from.
        tuned: As `prepare` gives it: what requires gradients trains.
        optim: Settings; penalties and moving average have copies.
        batch: Images that the device sees at once.
        texts: Prompts that a step encodes where the text encoder trains.
        where: Device and precision.
    """
    regularisers = Regularisers(tuned, optim)
    trainable = sum(bytes_of(p) for p in tuned.parameters() if p.requires_grad)
    whole, on_cpu = weights_of(tuned), where.device == "cpu"
    copies = sum(bytes_of(held) for held in regularisers.tensors()) + trainable * bool(optim.ema)
    return Memory(
        PROCESS if on_cpu else 0.0,
        whole + (weights_of(start) if on_cpu else 0),
        copies,
        trainable * (2 + (where.devices > 1)),
        step_peak(tuned, regularisers, optim, batch, texts, where),
    )


def inference_memory(start: Classifier, batch: int, device: str) -> Memory:
    """What encoding images with frozen encoders takes on one device."""
    on_cpu = device == "cpu"
    copies = 2 if on_cpu else 1  # the start, and the copy that gets the head
    attention = short_sequence_attention(torch.device(device))
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), Peak() as peak, attention:
        start.features(_pixels(start, batch))
    return Memory(PROCESS if on_cpu else 0.0, copies * weights_of(start), 0.0, 0.0, peak.most)


@dataclass(frozen=True)
class Where:
    """Device and precision of a training."""

    device: str
    precision: str
    devices: int = 1


def step_peak(
    tuned: Classifier,
    regularisers: Regularisers,
    optim: Optim,
    batch: int,
    texts: int,
    where: Where,
) -> int:
    """Bytes alive at the peak of a step beside weights, copies and moments.

    The step is computed on fake tensors: shapes without numbers. Gradients of one micro-batch stay
    while the next is computed.
    """
    if optim.checkpointing:
        tuned.backbone.model.set_grad_checkpointing(True)
    dtype = torch.float16 if where.precision == "16-mixed" else torch.bfloat16
    mixed, device = where.precision.endswith("mixed"), torch.device(where.device)

    def kernels() -> AbstractContextManager[None]:
        # As in a training, which recomputes activations by the same kernel.
        return nullcontext() if optim.checkpointing else short_sequence_attention(device)

    tuned.train()
    with FakeTensorMode(allow_non_fake_inputs=True), Peak() as peak:
        gradients: tuple[Tensor | None, ...] = ()
        for _ in range(min(optim.accumulate, 2)):
            with torch.autocast("cpu", dtype, enabled=mixed), kernels():
                loss = _loss(tuned, regularisers, batch, texts)
            trained = [p for p in tuned.parameters() if p.requires_grad]
            new = torch.autograd.grad(loss, trained, allow_unused=True)
            gradients = gradients or new
            del loss, new
    tuned.eval()
    del gradients
    gc.collect()
    return int(peak.most)


def _loss(tuned: Classifier, regularisers: Regularisers, batch: int, texts: int) -> Tensor:
    pixels = _pixels(tuned, batch)

    def answer(classifier: Classifier) -> tuple[Tensor, ...]:
        if not texts:
            return (classifier(pixels),)
        prompts = [[classifier.prompts[k % len(classifier.prompts)][0]] for k in range(texts)]
        return (classifier.features(pixels) @ text_weights(classifier.backbone, prompts).T,)

    with regularisers.watch(tuned) as watched:
        logits = answer(tuned)
    penalties = regularisers(tuned, pixels, watched, logits, answer, torch.Generator())
    total: Tensor = logits[0].float().log_softmax(1).mean() + sum(penalties.values())
    return total


def _pixels(classifier: Classifier, batch: int) -> Tensor:
    size = classifier.backbone.preprocessing.size
    return torch.empty(batch, 3, size, size)


def bytes_of(tensor: Tensor) -> int:
    """Of its numbers."""
    return tensor.numel() * tensor.element_size()


def weights_of(classifier: Classifier) -> int:
    """Bytes of everything that a model is stored as."""
    return sum(bytes_of(value) for value in classifier.state_dict().values())


def prepared(method: Method, start: Classifier) -> Classifier:
    """A copy of the start in which exactly what the method would train requires gradients."""
    tuned, optim = method.prepare(start), getattr(method, "optim", None)
    if optim is not None:
        freeze_first(tuned, optim.freeze_first)
    return tuned


def texts_per_step(method: Method, tuned: Classifier, batch: int) -> int:
    """Prompts that a step encodes: one per image with captions, else one per class it looks at."""
    if not (text_trains(tuned) and tuned.head_from_text):
        return 0
    if hasattr(method, "captions"):
        return batch
    classes = len(tuned.class_names)
    return min(getattr(method, "classes_per_step", 0) or classes, classes)


def memory_of(recipe: Recipe, method: Method, start: Classifier, tuned: Classifier) -> Memory:
    """What the run would take on one device: on a GPU that of the device alone."""
    runtime = recipe.runtime
    device = resolve_accelerator(runtime.accelerator)
    if (optim := getattr(method, "optim", None)) is None:
        return inference_memory(start, runtime.images, device)
    batch = micro_batch(grown(optim, runtime, runtime.devices), runtime.devices)
    where = Where(device, resolve_precision(runtime.precision, device), runtime.devices)
    texts = texts_per_step(method, tuned, batch)
    return training_memory(start, tuned, optim, batch, texts, where)
