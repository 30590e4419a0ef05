"""What a model says of the images of a source, all of them in memory but their pixels."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from adapt.common.arrays import BoolArray, FloatArray, IntArray, SingleArray
from adapt.common.progress import track
from adapt.errors import DataError
from adapt.models.prediction.inputs import NamedImage
from adapt.models.prediction.stream import Prediction, Predictor
from adapt.training.runtime import processors

SAMPLE = 2000
"""Images whose features are kept, and which models on the line are asked about."""


@dataclass(frozen=True)
class Seen:
    """N images as a model of K classes sees them.

    Attributes:
        names: Of the images that could be read, in the order of the source.
        places: Where each stands in the source, shape (N,).
        probabilities: Shape (N, K).
        unknown: What the detector of the model says, shape (N,); false without one.
        rows: Images of a sample, as positions among the N, ascending, shape (S,).
        features: Their unit features, shape (S, D).
        errors: Images that could not be read, by reason.
    """

    names: list[str]
    places: IntArray
    probabilities: FloatArray
    unknown: BoolArray
    rows: IntArray
    features: SingleArray
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def predicted(self) -> IntArray:
        """The class number of each image."""
        answers: IntArray = self.probabilities.argmax(axis=1)
        return answers

    @property
    def confidences(self) -> FloatArray:
        """The highest probability of each image."""
        highest: FloatArray = self.probabilities.max(axis=1)
        return highest


def see(
    predictor: Predictor,
    images: Iterable[NamedImage],
    batch_size: int = 64,
    sample: int = SAMPLE,
    seed: int = 0,
) -> Seen:
    """Ask a model about every image, once and in order.

    Args:
        predictor: Of the model.
        images: Lazily; what cannot be read is counted.
        batch_size: Images computed at once.
        sample: Most images whose features are kept; a random sample where there are more.
        seed: Of the sample.

    Raises:
        DataError: When not one image can be read.
    """
    number = {name: place for place, name in enumerate(predictor.class_names)}
    names, places, unknown = list[str](), list[int](), list[bool]()
    rows, errors, sampled = list[np.ndarray](), Counter[str](), _Reservoir(sample, seed)
    answers = predictor.stream(images, batch_size, len(number), processors(), features=True)
    for place, said in enumerate(track(answers, "reading images", 0)):
        if said.error is not None:
            errors[said.reason or said.error] += 1
            continue
        assert said.features is not None
        sampled.add(len(names), said.features.numpy().copy())
        names.append(said.source)
        places.append(place)
        unknown.append(said.unknown)
        rows.append(_probabilities(said, number))
    if not names:
        reasons = ", ".join(f"{count} {reason}" for reason, count in errors.most_common(3))
        raise DataError(
            f"images - not one can be read - {reasons or 'there are none'} - check the files"
        )
    chosen, features = sampled.ordered()
    return Seen(
        names,
        np.array(places),
        np.stack(rows),
        np.array(unknown, np.bool_),
        chosen,
        features,
        dict(errors.most_common()),
    )


def _probabilities(said: Prediction, number: dict[str, int]) -> np.ndarray:
    row = np.empty(len(number))
    for name, value in said.top:
        row[number[name]] = value
    return row


class _Reservoir:
    """A random sample of a stream, each image as likely as any other (Vitter's algorithm R)."""

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._generator = size, np.random.default_rng(seed)
        self._kept: list[tuple[int, np.ndarray]] = []

    def add(self, row: int, features: np.ndarray) -> None:
        """See one image."""
        if len(self._kept) < self._size:
            self._kept.append((row, features))
        elif (place := int(self._generator.integers(0, row + 1))) < self._size:
            self._kept[place] = (row, features)

    def ordered(self) -> tuple[IntArray, SingleArray]:
        """Positions, ascending, and the features of each."""
        self._kept.sort(key=lambda kept: kept[0])
        rows = np.array([row for row, _ in self._kept], np.int64)
        kept = [features for _, features in self._kept]
        return rows, np.stack(kept) if kept else np.zeros((0, 0), np.float32)
