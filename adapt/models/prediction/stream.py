"""From inputs of any kind to predictions, one per input, bad ones included."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from numbers import Integral
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from adapt.data.decoding.formats import ImageError
from adapt.data.decoding.open import MAX_PIXELS, open_image
from adapt.data.decoding.preprocessing import PixelArray, Preprocessing
from adapt.data.loading.ahead import ahead
from adapt.errors import RecipeError
from adapt.models.prediction.inputs import ImageLike as ImageLike
from adapt.models.prediction.inputs import Inputs, NamedImage, listed
from adapt.models.prediction.uncertainty import Verdicts

NO_NUMBERS = "the model gives no numbers for this image"
BROKEN = (
    f"{NO_NUMBERS} (NaN or infinite) - its weights or temperature are broken: check it with "
    "`adapt verify`, or train again with a lower learning rate"
)
BATCHES_AHEAD = 2
"""Batches that are decoded while one is computed, where threads decode."""


@dataclass(frozen=True)
class Prediction:
    """What a classifier says about one input.

    The label is what the model thinks even where it abstains or calls the input unknown: what to do
    with it is for the caller to decide.
    """

    source: str
    """The path, or `image 3` for an image given directly."""
    label: str | None
    """The most probable class, None when the input could not be read or the model broke down. Where
    images have several labels, all of them joined by `|`, an empty text for none."""
    confidence: float
    """Probability of the most probable class after temperature scaling, 0 when there is none."""
    top: list[tuple[str, float]] = field(default_factory=list)
    """The most probable classes with their probabilities, best first."""
    error: str | None = None
    """Why there is no label: what is wrong with the input, or with the model."""
    abstained: bool = False
    """Whether the confidence is below the stored threshold; false when none is stored."""
    labels: tuple[str, ...] = ()
    """The conformal set, most probable first; empty where none is stored, or where asked for. Where
    images have several labels, these labels."""
    unknown: bool = False
    """Whether it looks like none of the classes; false when no detector is stored."""
    reason: str | None = None
    """What `error` says in a few words that many inputs share, such as `no such file`."""
    features: Tensor | None = field(default=None, compare=False, repr=False)
    """Unit image features (D,), float32, where `Predictor.stream` was asked for them."""


class Judged(NamedTuple):
    """What a model says of a batch of B images and K classes, on the CPU."""

    probabilities: Tensor
    """Shape (B, K), float64, after temperature scaling."""
    verdicts: Verdicts
    """What the stored uncertainty says."""
    features: Tensor
    """Shape (B, D), float32, unit length."""


def most_probable(best: str, _chosen: Sequence[str]) -> str:
    """The label where an image has one."""
    return best


@dataclass(frozen=True)
class Predictor:
    """The way from inputs to predictions, whatever computes them."""

    judge: Callable[[PixelArray], Judged]
    """From resized images, uint8 (B, size, size, 3), to answers."""
    class_names: list[str]
    """The K classes."""
    preprocessing: Preprocessing
    """Resizes what was decoded."""
    abstain_below: float | None = None
    """A threshold on the confidence, from 0 to 1, in place of the stored one."""
    label: Callable[[str, Sequence[str]], str] = most_probable
    """From the most probable class and those of `Verdicts.sets` to the label of an image."""

    def stream(
        self,
        inputs: Inputs | Iterable[NamedImage],
        batch_size: int = 64,
        top: int = 5,
        threads: int = 0,
        features: bool = False,
    ) -> Iterator[Prediction]:
        """Predict in batches with bounded memory; the order of the inputs is kept.

        Every `batch_size` inputs form a batch, from which those that cannot be read are left out;
        threads change no number.

        Args:
            inputs: One image or many; see `adapt.models.prediction.inputs.listed`.
            batch_size: Inputs computed at once.
            top: How many classes each prediction lists.
            threads: How many decode the next two batches while one is computed; with 0 no more
                inputs are taken than a batch needs.
            features: Whether predictions carry the features of their image.

        Raises:
            DataError: At once, when the inputs are no images.
            RecipeError: At once, when a number is no integer of 1 or more.
        """
        numbers: dict[str, Any] = {"batch_size": batch_size, "top": top}
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                given = f"{name} {value!r}"
                raise RecipeError(
                    f"predict - out of range - {given} - give an integer of 1 or more"
                )
        most = (1 + BATCHES_AHEAD) * batch_size
        read = ahead(self._read, enumerate(listed(inputs)), threads, most, _held)
        return self._predictions(read, batch_size, top, features)

    def pixels(self, image: ImageLike, max_pixels: int = MAX_PIXELS) -> PixelArray:
        """One image as the model reads it, uint8 (size, size, 3).

        Args:
            image: A path, bytes, an image, an array or a tensor.
            max_pixels: See `open_image`.

        Raises:
            ImageError: When it cannot be read.
        """
        return self.preprocessing.pixels(open_image(image, max_pixels))

    def answers(
        self, images: Sequence["ReadImage"], top: int = 5, features: bool = False
    ) -> Iterator[Prediction]:
        """Predictions of one batch, from which those that could not be read are left out.

        Args:
            images: The batch, in order.
            top: How many classes each prediction lists.
            features: Whether predictions carry the features of their image.
        """
        pixels = [item.pixels for item in images if item.pixels is not None]
        rows: Iterator[_Row] = iter(())
        if pixels:
            with torch.inference_mode():
                rows = _rows(self.judge(np.stack(pixels)))
        for item in images:
            if item.pixels is None:
                yield Prediction(item.name, None, 0.0, [], item.error, reason=item.reason)
            else:
                yield self._prediction(item.name, next(rows), top, features)

    def _predictions(
        self, inputs: Iterator["ReadImage"], batch_size: int, top: int, features: bool
    ) -> Iterator[Prediction]:
        while batch := list(islice(inputs, batch_size)):
            yield from self.answers(batch, top, features)

    def _read(self, numbered: tuple[int, Any]) -> "ReadImage":
        number, item = numbered
        named = isinstance(item, NamedImage)
        try:
            if named and item.problem is not None:
                raise item.problem
            return ReadImage(_name(number, item), self.pixels(item.image if named else item))
        except ImageError as error:
            text = str(error).replace("<bytes>", item.name, 1) if named else str(error)
            return ReadImage(_name(number, item), None, text, error.reason)

    def _prediction(self, source: str, row: "_Row", top: int, features: bool) -> Prediction:
        if not bool(torch.isfinite(row.probabilities).all()):
            return Prediction(source, None, 0.0, [], BROKEN, reason=NO_NUMBERS)
        values, places = row.probabilities.topk(len(self.class_names))
        order = places.tolist()
        best = [
            (self.class_names[place], float(value))
            for value, place in zip(values[:top], order[:top], strict=True)
        ]
        least, confidence = self.abstain_below, best[0][1]
        chosen = tuple(self.class_names[place] for place in order if row.chosen[place])
        return Prediction(
            source,
            self.label(best[0][0], chosen),
            confidence,
            best,
            abstained=bool(row.abstained) if least is None else confidence < least,
            labels=chosen,
            unknown=bool(row.unknown),
            features=row.features if features else None,
        )


class ReadImage(NamedTuple):
    """One input once it is decoded, or what was wrong with it."""

    name: str
    """Source of its prediction."""
    pixels: PixelArray | None
    """Shape (size, size, 3), uint8."""
    error: str | None = None
    """What was wrong."""
    reason: str | None = None
    """The same in a few words."""


class _Row(NamedTuple):
    """What was said of one image."""

    probabilities: Tensor
    abstained: np.bool_
    chosen: np.ndarray
    unknown: np.bool_
    features: Tensor


def _rows(judged: Judged) -> Iterator[_Row]:
    said = judged.verdicts
    columns = (judged.probabilities, said.abstained, said.sets, said.unknown, judged.features)
    return map(_Row, *columns)


def _name(number: int, item: Any) -> str:
    if isinstance(item, NamedImage):
        return item.name
    return str(item) if isinstance(item, (str, PathLike)) else f"image {number}"


def _held(numbered: tuple[int, Any]) -> int:
    item = numbered[1]
    return item.held if isinstance(item, NamedImage) else 0
