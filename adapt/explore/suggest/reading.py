"""Images of any source as a model sees them: answers, features, content, and a small picture."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from adapt.checks.findings.thumbnails import BYTES, Thumbnails, thumbnail
from adapt.common.arrays import FloatArray, SingleArray
from adapt.common.content import content_hash
from adapt.common.progress import track
from adapt.data.decoding.preprocessing import PixelArray
from adapt.errors import DataError
from adapt.models.prediction.inputs import NamedImage
from adapt.models.prediction.stream import NO_NUMBERS, Judged
from adapt.predictions.inputs.base import Reading
from adapt.predictions.opening import OpenModel
from adapt.training.runtime import processors

BATCH = 64


@dataclass(frozen=True)
class SeenImages:
    """N images that could be read, in the order of their source."""

    names: list[str]
    """As the source names them."""
    hashes: list[str]
    """SHA-256 of the bytes of each file."""
    features: SingleArray
    """(N, D), unit length."""
    probabilities: FloatArray
    """(N, K)."""
    thumbnails: Thumbnails
    """Of what the model sees, to tell near copies."""
    unreadable: list[str]
    """What could not be read, with the reason."""

    def __len__(self) -> int:
        """N."""
        return len(self.names)


def see(images: Iterable[NamedImage], opened: OpenModel, step: str, count: int = 0) -> SeenImages:
    """Ask a model about images, each of which is read once.

    Args:
        images: In order.
        opened: The model.
        step: What is done, for whoever watches.
        count: Of the images; 0 where it is not known.
    """
    predictor, judged, pictures = opened.predictor, list[Judged](), list[bytes]()
    hashes: list[str] = []

    def judge(pixels: PixelArray) -> Judged:
        answer = predictor.judge(pixels)
        judged.append(answer)
        pictures.extend(thumbnail(image) for image in pixels)
        return answer

    asked = replace(predictor, judge=judge)
    names, good, read, bad = list[str](), list[int](), list[int](), list[str]()
    with opened.kernels():
        answers = asked.stream(_hashed(images, hashes), BATCH, 1, processors())
        for row, answer in enumerate(track(answers, step, count)):
            names.append(answer.source)
            if answer.error is None or answer.reason == NO_NUMBERS:
                read.append(row)
            if answer.error is None:
                good.append(len(read) - 1)
            else:
                bad.append(f"{answer.source}: {answer.reason or answer.error}")
    kept = [read[place] for place in good]
    width, classes = opened.width(), len(predictor.class_names)
    features = np.concatenate([np.zeros((0, width)), *(part.features for part in judged)])
    answered = [part.probabilities for part in judged]
    probabilities = np.concatenate([np.zeros((0, classes)), *answered])
    bytes_of = np.frombuffer(b"".join(pictures), np.uint8).reshape(-1, BYTES)
    return SeenImages(
        [names[row] for row in kept],
        [hashes[row] for row in kept],
        features[good].astype(np.float32),
        probabilities[good].astype(np.float64),
        Thumbnails(bytes_of[good]),
        bad,
    )


def see_source(source: str, opened: OpenModel) -> SeenImages:
    """Ask a model about all images of a source.

    Args:
        source: Folder, image, table, archive; see `adapt predict`.
        opened: The model.

    Raises:
        DataError: When there is no such source, or not one of its images can be read.
    """
    reading = Reading(source)
    images = (item.load() for item in reading.items())
    seen = see(images, opened, "reading the pool", reading.count())
    if not len(seen):
        given = "; ".join(seen.unreadable[:3]) or "it holds none"
        raise DataError(f"{source} - no image that can be read - {given} - check the path")
    return seen


def _hashed(images: Iterable[NamedImage], hashes: list[str]) -> Iterator[NamedImage]:
    """The images; the hash of each is added before it is given, empty where there is none."""
    for image in images:
        digest = ""
        with suppress(DataError):  # its row will say what is wrong
            if isinstance(image.image, bytes):
                digest = hashlib.sha256(image.image).hexdigest()
            elif image.problem is None:
                digest = content_hash(str(image.image))
        hashes.append(digest)
        yield image
