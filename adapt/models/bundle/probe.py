"""The probe: images as files, and what the model said of them, so that a reader can compare.

The way from the bytes of an image to probabilities is that of `predict`: decoding, preprocessing,
encoder, head, temperature. The images are PNG, whose pixels are the same everywhere.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from adapt.errors import AdaptError, BundleError, one_line

SHAPES = ((1.25, 1.75), (1.75, 1.25), (1.0, 1.0), (0.4, 0.6))
"""Height and width of the images as multiples of what the model reads: cut, kept, enlarged."""
TEXTS = ["a photo of a cat.", "Zwei rote Kreise, été 2019", "x"]
"""What the text encoder is asked."""
BEYOND = 64
"""By how much the reach of a head may exceed its largest stored logit."""
FACTS = "facts"
"""Tensor with the hash of what the manifest says beside the weights; see `facts_hash`."""
ROUNDING = 2.0**-15
"""How far a number of a unit feature may move: 2^9 times float32's rounding of 2^-24. Roundings add
up like steps of a random walk, and the longest path through a large encoder has about 2^18 of them
(fifty layers, each with sums over some thousand terms); other kernels add in another order."""


@dataclass(frozen=True)
class ProbeAnswers:
    """What a model said of the probe."""

    logits: Tensor
    """Of N images and K classes, float32."""
    probabilities: Tensor
    """Of the same, after temperature scaling, float64."""
    text_weights: Tensor
    """Unit features of the texts times exp(logit scale), float32: rows of a zero-shot head."""

    def tensors(self) -> dict[str, Tensor]:
        """By name, as they are stored."""
        return dict(vars(self))


def probe_images(size: int) -> list[bytes]:
    """PNG files of smooth colours, a disc and noise, for a model that reads `size` pixels.

    >>> [Image.open(io.BytesIO(image)).size for image in probe_images(8)]
    [(14, 10), (10, 14), (8, 8), (4, 3)]
    """
    return [_image(number, size) for number in range(len(SHAPES))]


def _image(number: int, size: int) -> bytes:
    height, width = (max(2, int(part * size)) for part in SHAPES[number])
    random = np.random.default_rng(number)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    waves = np.sin(
        2 * np.pi * (random.uniform(0.5, 3, 3) * down + random.uniform(0.5, 3, 3) * across)
    )
    disc = ((down - 0.4) ** 2 + (across - 0.6) ** 2 < 0.06) * random.uniform(-1, 1, 3)
    values = 0.5 + 0.25 * waves + 0.3 * disc + 0.05 * random.standard_normal((height, width, 3))
    stream = io.BytesIO()
    pixels = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def facts_hash(facts: Any) -> Tensor:
    """SHA-256 (32,) of what JSON holds: it ties class names and temperature to the probe.

    >>> facts_hash(["cat", "dog"]).shape, bool((facts_hash([1.0]) == facts_hash([1])).all())
    (torch.Size([32]), False)
    """
    text = json.dumps(facts, sort_keys=True, allow_nan=False).encode()
    return torch.tensor(list(hashlib.sha256(text).digest()), dtype=torch.uint8)


def as_tensors(images: list[bytes]) -> dict[str, Tensor]:
    """Files as they are stored."""
    return {
        f"image_{number}": torch.from_numpy(np.frombuffer(image, np.uint8).copy())
        for number, image in enumerate(images)
    }


def read_probe(
    stored: Mapping[str, Tensor], classes: int, width: int
) -> tuple[list[bytes], ProbeAnswers]:
    """The images and the answers of a bundle.

    Args:
        stored: What `probe.safetensors` holds.
        classes: K.
        width: Length of the texts' features.

    Raises:
        BundleError: When a tensor is missing, not known, of another type or shape, or not a number.
    """
    images = {name: value for name, value in stored.items() if name.startswith("image_")}
    names = [f"image_{number}" for number in range(len(SHAPES))]
    wanted = {
        "logits": (torch.float32, (len(names), classes)),
        "probabilities": (torch.float64, (len(names), classes)),
        "text_weights": (torch.float32, (len(TEXTS), width)),
        FACTS: (torch.uint8, (32,)),
    }
    for name in sorted({*names, *wanted} ^ set(stored)):
        what = "missing" if name not in stored else "not known"
        raise _wrong(name, what, "the tensor")
    for name, (kind, shape) in wanted.items():
        value = stored[name]
        if (value.dtype, tuple(value.shape)) != (kind, shape):
            raise _wrong(name, "another type or shape", f"{value.dtype} {tuple(value.shape)}")
        if not bool(torch.isfinite(value).all()):
            raise _wrong(name, "not numbers", "NaN or infinite")
    for name, value in images.items():
        if value.dtype != torch.uint8 or value.ndim != 1:
            raise _wrong(name, "another type or shape", f"{value.dtype} {tuple(value.shape)}")
    answers = ProbeAnswers(stored["logits"], stored["probabilities"], stored["text_weights"])
    return [images[name].numpy().tobytes() for name in names], answers


def _wrong(name: str, what: str, given: str) -> BundleError:
    return BundleError(f"probe.{name} - {what} - {given} - copy the whole folder again")


@dataclass(frozen=True)
class Differences:
    """How far answers lie from the stored ones, and how far they may."""

    probabilities: float
    """Largest difference of a probability."""
    allowed: float
    """Largest that rounding explains."""
    wrong: str = ""
    """What lies too far, as a part of a message; empty when nothing does."""


def compare(
    stored: ProbeAnswers, given: ProbeAnswers, reach: float, temperature: float
) -> Differences:
    """Answers beside the stored ones.

    A number of a feature may move by `ROUNDING`, a logit by that times `reach`, and a probability
    by half of that over the temperature, since the softmax moves by at most half of what the
    logits do.

    Args:
        stored: From the bundle.
        given: Of the model here and now.
        reach: How far a logit can move when a unit feature moves by 1.
        temperature: Of the model.
    """
    # The head says how far, but not beyond what the stored logits bear out: a head that somebody
    # made huge would else allow itself anything.
    largest = float(stored.logits.abs().max())
    logit = ROUNDING * max(1.0, min(reach, BEYOND * largest))
    allowed = {
        "text_weights": ROUNDING * max(1.0, float(stored.text_weights.norm(dim=1).max())),
        "logits": logit,
        "probabilities": min(1.0, max(ROUNDING, logit / temperature)),
    }
    sizes, wrong = {}, ""
    for name, limit in allowed.items():
        before, now = getattr(stored, name).double(), getattr(given, name).double()
        sizes[name] = float((before - now).abs().max())
        if not sizes[name] <= limit:
            wrong = wrong or f"{name} differ by {sizes[name]:.1e}, rounding explains {limit:.1e}"
    return Differences(sizes["probabilities"], allowed["probabilities"], wrong)


class Answering(Protocol):
    """A model that can be asked about a probe."""

    class_names: list[str]
    temperature: float

    def answers(self, images: list[bytes]) -> ProbeAnswers:
        """What it says of image files, and of the texts."""


def check_answers(
    folder: str | Path, stored: Mapping[str, Tensor], model: Answering, width: int, reach: float
) -> Differences:
    """What a model says of its probe beside what it said when it was saved.

    Args:
        folder: Of the bundle, for messages.
        stored: What `probe.safetensors` holds.
        model: As it was loaded.
        width: Length of the texts' features.
        reach: See `compare`.

    Raises:
        BundleError: When the probe cannot be answered, or answers differ by more than rounding.
    """
    try:
        images, before = read_probe(stored, len(model.class_names), width)
        differences = compare(before, model.answers(images), reach, model.temperature)
    except (AdaptError, ValueError, RuntimeError) as error:
        raise BundleError(
            f"{folder} - its probe cannot be answered - {one_line(error)} - copy the whole folder "
            "again"
        ) from error
    if differences.wrong:
        raise BundleError(
            f"{folder} - other answers than when it was saved - {differences.wrong} - copy the "
            "whole folder again, or save the model again"
        )
    return differences


def answer(
    images: list[bytes],
    logits_of: Callable[[list[bytes]], Tensor],
    probabilities_of: Callable[[Tensor], Tensor],
    text_weights_of: Callable[[list[str]], Tensor],
) -> ProbeAnswers:
    """Ask a model.

    Args:
        images: Files.
        logits_of: From files to logits (N, K).
        probabilities_of: From logits to probabilities.
        text_weights_of: From texts to rows of a zero-shot head.
    """
    with torch.inference_mode():
        logits = logits_of(images).float().cpu()
        text = text_weights_of(TEXTS).float().cpu()
    return ProbeAnswers(logits, probabilities_of(logits), text)
