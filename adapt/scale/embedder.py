"""Batches in, batches out: what any engine calls, and what opens the model once per process."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from adapt.common.content import content_hash
from adapt.errors import BundleError, RecipeError
from adapt.export.load import listing_path
from adapt.models.prediction.inputs import NamedImage
from adapt.models.prediction.stream import Prediction
from adapt.predictions.opening import OpenModel, open_model
from adapt.training.runtime import EXACT

Batch: TypeAlias = dict[str, np.ndarray]
"""Columns of B rows, as Ray Data, Spark and others hand them over with NumPy."""
_OPENING = threading.Lock()


@dataclass(frozen=True)
class BatchModel:
    """A model named by its folder: small to send to other processes, which open it when asked.

    In one process it is opened once, however many objects and batches name it.

    Raises:
        DataError: When there is no such model.
    """

    model: str
    """The `model` folder of a run, or an export; at the same path in every process."""
    device: str = "auto"
    """`auto`, `cpu`, `gpu`, `cuda` or `mps`: see `adapt.predictions.opening.open_model`."""
    precision: str = EXACT
    """`32`, `tf32` or `bf16`."""
    threads: int = 0
    """Threads that decode."""
    trust: bool = False
    """Whether to open an export of the format `torch`."""
    hash: str = field(default="", compare=False)
    """SHA-256 of the list of its files, which has the hash of each; found out if not given."""

    def __post_init__(self) -> None:
        if not self.hash:
            object.__setattr__(self, "hash", content_hash(listing_path(Path(self.model))))

    def opened(self) -> OpenModel:
        """The model, opened in this process at the first call.

        Raises:
            BundleError: When the folder holds another model here than where this was made.
        """
        with _OPENING:
            return _opened(self.model, self.hash, self.device, self.precision, self.trust)

    def stream(
        self, images: Iterable[NamedImage], batch_size: int, top: int = 1
    ) -> Iterator[Prediction]:
        """Predictions with features, in order; see `adapt.models.prediction.stream.Predictor`.

        Args:
            images: What is predicted.
            batch_size: Images computed at once.
            top: How many classes each prediction lists.
        """
        opened = self.opened()
        with opened.kernels():
            yield from opened.predictor.stream(images, batch_size, top, self.threads, True)

    def _of(self, batch: Batch, top: int = 1) -> list[Prediction]:
        """The predictions of one batch, computed as one."""
        images = named(batch)
        return list(self.stream(images, max(len(images), 1), top))


@dataclass(frozen=True)
class Embedder(BatchModel):
    """Image features, batch by batch; pure: a batch has the same answer in every process.

    In: `path`, and `bytes` where those of the file are at hand (None: the path is opened). Out:
    `path`; `features`, float32 of shape (B, D) and unit length, NaN for an image that could not be
    read; `error` and `reason`, None for one that could.

    Example:
        >>> import tempfile
        >>> from adapt.models.classifier import Classifier
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = Classifier.from_clip("adapt-icons-xs", "random", ["cat"]).save(folder)
        ...     batch = Embedder(str(model), "cpu")({"path": np.array(["no.jpg"])})
        >>> batch["features"].shape, batch["reason"].tolist()
        ((1, 192), ['no such file'])
    """

    def __call__(self, batch: Batch) -> Batch:
        """Embed one batch.

        Args:
            batch: See the class.

        Raises:
            RecipeError: When it has no column `path`.
        """
        predictions = self._of(batch)
        features = np.full((len(predictions), self.width), np.nan, np.float32)
        for row, prediction in zip(features, predictions, strict=True):
            if prediction.features is not None:
                row[:] = prediction.features.numpy()
        return {**_beside(predictions), "features": features}

    @property
    def width(self) -> int:
        """D, the length of the features."""
        return _width(self.model, self.hash, self.device, self.precision, self.trust)


@dataclass(frozen=True)
class BatchPredictor(BatchModel):
    """Labels with their probabilities, batch by batch; in as for `Embedder`.

    Out: `path`; `label`, None for an image that could not be read; `confidence`, NaN for it;
    `abstained` and `unknown`, false for it; `error` and `reason`.
    """

    def __call__(self, batch: Batch) -> Batch:
        """Predict one batch.

        Args:
            batch: See `Embedder`.

        Raises:
            RecipeError: When it has no column `path`.
        """
        said = self._of(batch)
        confidences = [np.nan if answer.label is None else answer.confidence for answer in said]
        return {
            **_beside(said),
            "label": _texts([answer.label for answer in said]),
            "confidence": np.array(confidences, np.float64),
            "abstained": np.array([answer.abstained for answer in said], np.bool_),
            "unknown": np.array([answer.unknown for answer in said], np.bool_),
        }


@lru_cache(2)
def _opened(model: str, expected: str, device: str, precision: str, trust: bool) -> OpenModel:
    given = content_hash(listing_path(Path(model)))
    if given != expected:
        raise BundleError(
            f"{model} - another model than the one that was asked for - hash {given[:12]}, not "
            f"{expected[:12]} - bring the same files to every machine, or begin again"
        )
    return open_model(Path(model), device, precision, trust)


@lru_cache(2)
def _width(*key: Any) -> int:
    return _opened(*key).width()


def named(batch: Batch) -> list[NamedImage]:
    """The images of a batch; see `Embedder`.

    Raises:
        RecipeError: When it has no column `path`.

    >>> [image.name for image in named({"path": np.array(["a.jpg"])})]
    ['a.jpg']
    """
    if "path" not in batch:
        raise RecipeError(
            f"batch - no column 'path' - given {sorted(batch)} - name the column of paths `path`"
        )
    paths = [str(path) for path in batch["path"]]
    contents = batch.get("bytes", np.array([None] * len(paths), object))
    return [
        NamedImage(path, path if content is None else _bytes(path, content))
        for path, content in zip(paths, contents, strict=True)
    ]


def _bytes(path: str, content: Any) -> bytes:
    if not isinstance(content, bytes):
        raise RecipeError(
            f"{path} - `bytes` - neither bytes nor None - {type(content).__name__} - give those of "
            "the file"
        )
    return content


def _beside(predictions: list[Prediction]) -> Batch:
    return {
        "path": np.array([answer.source for answer in predictions], object),
        "error": _texts([answer.error for answer in predictions]),
        "reason": _texts([answer.reason for answer in predictions]),
    }


def _texts(texts: list[str | None]) -> np.ndarray:
    cells = np.empty(len(texts), object)
    cells[:] = texts
    return cells
