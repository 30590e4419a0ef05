"""What may be given to be predicted: one image, or many, in whatever form they are at hand."""

import io
import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor

from adapt.data.decoding.formats import ImageError
from adapt.errors import DataError

ImageLike: TypeAlias = str | Path | bytes | Image.Image | np.ndarray | Tensor
Inputs: TypeAlias = ImageLike | Iterable[ImageLike]
ADVICE = "give a path, an image, an array or a tensor, or a list of them"


@dataclass(frozen=True)
class NamedImage:
    """An image with a name of its own, such as a member of an archive."""

    name: str
    """What its prediction calls it."""
    image: ImageLike = b""
    """The image."""
    problem: ImageError | None = None
    """Why there is no image, where none could be got."""

    @property
    def held(self) -> int:
        """Bytes that it holds until it is decoded."""
        return len(self.image) if isinstance(self.image, bytes) else 0


def is_one(inputs: object) -> bool:
    """Whether this is a single image and not several.

    An array or tensor of two or three dimensions is one image, of four a batch. Texts in an array
    are paths.

    >>> is_one("cat.jpg"), is_one(["cat.jpg"]), is_one(np.zeros((9, 9, 3), np.uint8))
    (True, False, True)
    """
    if isinstance(inputs, (np.ndarray, Tensor)):
        texts = isinstance(inputs, np.ndarray) and inputs.dtype.kind in "OU"
        return not texts and inputs.ndim in (2, 3)
    return isinstance(inputs, (str, os.PathLike, bytes, Image.Image))


def listed(inputs: Any) -> Iterable[ImageLike]:
    """The images one by one; a single one is a list of one.

    Args:
        inputs: A path, the bytes of a file, a PIL image, an array or a tensor; or a list, an array,
            a generator, ... of them.

    Raises:
        DataError: When it is something else, naming its type.

    >>> list(listed("cat.jpg"))
    ['cat.jpg']
    """
    if is_one(inputs):
        return [inputs]
    kind = type(inputs).__name__
    if isinstance(inputs, (np.ndarray, Tensor)):
        texts = isinstance(inputs, np.ndarray) and inputs.dtype.kind in "OU"
        if inputs.ndim == (1 if texts else 4):
            return iter(inputs)
        given = f"{kind} of {inputs.dtype}, shape {tuple(inputs.shape)}"
        raise DataError(f"predict - neither an image nor a batch - {given} - {ADVICE}")
    advice = ADVICE
    if isinstance(inputs, io.IOBase):
        advice = "give its bytes: file.read()"
    elif hasattr(inputs, "columns") and hasattr(inputs, "iloc"):
        advice = "give its column of paths: frame['path']"
    elif hasattr(inputs, "paths") and hasattr(inputs, "labels"):
        advice = "give its paths: images.paths"
    elif isinstance(inputs, Mapping):
        advice = "give its values: list(images.values())"
    elif isinstance(inputs, Set):
        advice = "give a list, which has an order"
    elif isinstance(inputs, Iterable):
        return inputs
    raise DataError(f"predict - not images - {kind} - {advice}")
