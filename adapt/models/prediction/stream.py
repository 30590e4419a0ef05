"""From inputs of any kind to predictions, one per input, bad ones included."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from adapt.data.decoding.open import ImageError, open_image
from adapt.errors import RecipeError
from adapt.models.prediction.inputs import ImageLike as ImageLike
from adapt.models.prediction.inputs import Inputs, listed
from adapt.models.prediction.uncertainty import Verdicts

NO_NUMBERS = (
    "the model gives no numbers for this image (NaN or infinite) - its weights or temperature are "
    "broken: check it with `adapt verify`, or train again with a lower learning rate"
)
Prepare = Callable[[Image.Image], Tensor]
"""From a decoded image to what the model reads."""
_Row = tuple[Tensor, np.bool_, np.ndarray, np.bool_]


@dataclass(frozen=True)
class Prediction:
    """What a classifier says about one input.

    The label is what the model thinks even where it abstains or calls the input unknown: what to do
    with it is for the caller to decide.
    """

    source: str
    """The path, or `image 3` for an image given directly."""
    label: str | None
    """The most probable class, None when the input could not be read or the model broke down."""
    confidence: float
    """Its probability after temperature scaling, 0 when there is none."""
    top: list[tuple[str, float]] = field(default_factory=list)
    """The most probable classes with their probabilities, best first."""
    error: str | None = None
    """Why there is no label: what is wrong with the input, or with the model."""
    abstained: bool = False
    """Whether the confidence is below the stored threshold; false when none is stored."""
    labels: tuple[str, ...] = ()
    """The conformal set, most probable first; empty where none is stored, or where asked for."""
    unknown: bool = False
    """Whether it looks like none of the classes; false when no detector is stored."""


def predict_stream(
    judged: Callable[[Tensor], tuple[Tensor, Verdicts]],
    class_names: list[str],
    preprocessing: Prepare,
    inputs: Inputs,
    batch_size: int = 64,
    top: int = 5,
) -> Iterator[Prediction]:
    """Predict in batches with bounded memory; the order of the inputs is kept.

    Args:
        judged: From a batch of what `preprocessing` gives to probabilities (B, K) and what the
            stored uncertainty says about them.
        class_names: The K classes.
        preprocessing: What makes pixels of a decoded image.
        inputs: One image or many; see `adapt.models.prediction.inputs.listed`.
        batch_size: Inputs computed at once.
        top: How many classes each prediction lists.

    Raises:
        DataError: At once, when the inputs are no images.
        RecipeError: At once, when a number is no integer of 1 or more.
    """
    numbers: dict[str, Any] = {"batch_size": batch_size, "top": top}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            given = f"{name} {value!r}"
            raise RecipeError(f"predict - out of range - {given} - give an integer of 1 or more")
    return _predictions(judged, class_names, preprocessing, listed(inputs), (batch_size, top))


def _predictions(
    judged: Callable[[Tensor], tuple[Tensor, Verdicts]],
    class_names: list[str],
    preprocessing: Prepare,
    inputs: Iterable[ImageLike],
    sizes: tuple[int, int],
) -> Iterator[Prediction]:
    batch_size, top = sizes
    numbered = enumerate(inputs)
    while batch := list(islice(numbered, batch_size)):
        read = [_read(number, item, preprocessing) for number, item in batch]
        good = [pixels for _, pixels, _ in read if pixels is not None]
        rows: Iterator[_Row] = iter(())
        if good:
            with torch.inference_mode():
                probabilities, verdicts = judged(torch.stack(good))
            columns = (verdicts.abstained, verdicts.sets, verdicts.unknown)
            rows = zip(probabilities, *columns, strict=True)
        for source, pixels, error in read:
            yield (
                _prediction(source, next(rows), class_names, top)
                if pixels is not None
                else Prediction(source, None, 0.0, [], error)
            )


def _read(number: int, item: Any, preprocessing: Prepare) -> tuple[str, Tensor | None, str | None]:
    source = str(item) if isinstance(item, (str, PathLike)) else f"image {number}"
    try:
        return source, preprocessing(open_image(item)), None
    except ImageError as error:
        return source, None, str(error)


def _prediction(source: str, row: _Row, class_names: list[str], top: int) -> Prediction:
    probabilities, abstained, chosen, unknown = row
    if not bool(torch.isfinite(probabilities).all()):
        return Prediction(source, None, 0.0, [], NO_NUMBERS)
    values, places = probabilities.topk(len(class_names))
    order = places.tolist()
    best = [
        (class_names[place], float(value))
        for value, place in zip(values[:top], order[:top], strict=True)
    ]
    return Prediction(
        source,
        best[0][0],
        best[0][1],
        best,
        abstained=bool(abstained),
        labels=tuple(class_names[place] for place in order if chosen[place]),
        unknown=bool(unknown),
    )
