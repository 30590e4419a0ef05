"""What models say of the same images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import torch

from adapt.common.arrays import BoolArray, FloatArray
from adapt.common.progress import track
from adapt.common.words import first_few, plural
from adapt.data.decoding.open import ImageError
from adapt.data.decoding.preprocessing import PixelArray
from adapt.data.loading.ahead import ahead
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, WeightsError
from adapt.evaluation.evaluate import softmax
from adapt.export.load import Loaded
from adapt.models.prediction.stream import Judged, Predictor
from adapt.models.prediction.uncertainty import Uncertainty, Verdicts
from adapt.training.runtime import processors

BLOCK = 64
"""Images that are computed at once; the next ones are decoded meanwhile."""
BLOCKS_AHEAD = 2
Frames = list[PixelArray]
"""One image as each of the models takes it: uint8 (size, size, 3)."""


@dataclass(frozen=True)
class Said:
    """What one model says of N images."""

    class_names: list[str]
    """Its K classes."""
    probabilities: FloatArray
    """Shape (N, K), after temperature scaling."""
    abstained: BoolArray | None = None
    """Shape (N,); None where it stores no threshold."""
    sets: BoolArray | None = None
    """Shape (N, K), the conformal sets; None where it stores no level. Where images have several
    labels, these labels."""

    def rows(self, chosen: Sequence[int] | np.ndarray) -> "Said":
        """What it says of some of the images."""

        def pick(values: BoolArray | None) -> BoolArray | None:
            return None if values is None else values[chosen]

        parts = self.probabilities[chosen], pick(self.abstained), pick(self.sets)
        return Said(self.class_names, *parts)


@dataclass(frozen=True)
class PairedSet:
    """A named set of images, and what both models say of each."""

    name: str
    images: ImageList
    a: Said
    b: Said
    hashes: list[str] | None = None
    """SHA-256 of each file where an earlier run read it; by now it may be gone, or another."""
    unreadable: list[str] = field(default_factory=list)
    """Images that are left out, each with the reason."""

    def rows(self, chosen: Sequence[int] | np.ndarray) -> "PairedSet":
        """Some of the images."""
        hashes = None if self.hashes is None else [self.hashes[int(row)] for row in chosen]
        return replace(
            self,
            images=self.images.subset(chosen),
            a=self.a.rows(chosen),
            b=self.b.rows(chosen),
            hashes=hashes,
        )


@dataclass(frozen=True)
class Asked:
    """A named set of images, and what each of some models says of them."""

    images: ImageList
    """Those that can be read."""
    said: list[Said]
    """Of each model."""
    unreadable: list[str]
    """Images that are left out, each with the reason."""


def ask_both(name: str, images: ImageList, a: Loaded, b: Loaded) -> PairedSet:
    """Let two models predict the same images; see `ask`.

    Args:
        name: Of the set.
        images: The images; a shift is applied.
        a: The first model.
        b: The second model.

    Raises:
        DataError: When not one image can be read.
        WeightsError: When a model gives no numbers.
    """
    asked = ask(name, images, [a, b])
    first, second = asked.said
    return PairedSet(name, asked.images, first, second, unreadable=asked.unreadable)


def ask(name: str, images: ImageList, models: Sequence[Loaded]) -> Asked:
    """Let models predict the same images; each file is decoded once.

    Args:
        name: Of the set.
        images: The images; a shift is applied.
        models: At least one.

    Raises:
        DataError: When not one image can be read.
        WeightsError: When a model gives no numbers.
    """
    judges = [model.predictor for model in models]
    rows, bad, parts = list[int](), list[str](), [list[Judged]() for _ in models]
    read = track(_resized(images, judges), f"reading {name}", len(images))
    while block := list(islice(read, BLOCK)):
        for row, frames in block:
            if isinstance(frames, ImageError):
                bad.append(f"{images.relative(row)}: {frames.reason}")
            else:
                rows.append(row)
        good = [frames for _, frames in block if not isinstance(frames, ImageError)]
        for place, judge in enumerate(judges if good else ()):
            with torch.inference_mode():
                parts[place].append(judge.judge(np.stack([frames[place] for frames in good])))
    if not rows:
        raise DataError(
            f"{images.root} - not one image of {name} can be read - {first_few(bad, 3, '; ')} - "
            "check the files"
        )
    said = [_said(model, own) for model, own in zip(models, parts, strict=True)]
    return Asked(images.subset(rows), said, bad)


def said_by_logits(
    class_names: list[str], logits: np.ndarray, temperature: float, stored: Uncertainty
) -> Said:
    """What a model with these logits says.

    Args:
        class_names: The K classes.
        logits: Shape (N, K).
        temperature: Of the model.
        stored: Its thresholds.

    Example:
        >>> said = said_by_logits(["a", "b"], np.zeros((1, 2)), 1.0, Uncertainty())
        >>> said.probabilities.tolist(), said.sets
        ([[0.5, 0.5]], None)
    """
    probabilities = softmax(logits, temperature)
    verdicts = stored.verdicts(probabilities, logits, temperature)
    return _with_thresholds(class_names, probabilities, [verdicts], stored)


def _resized(
    images: ImageList, judges: Sequence[Predictor]
) -> Iterator[tuple[int, Frames | ImageError]]:
    """The images in order as each model takes them, decoded ahead in threads."""
    ways = [judge.preprocessing for judge in judges]

    def read(row: int) -> tuple[int, Frames | ImageError]:
        try:
            image = images.open(row)
        except ImageError as error:
            return row, error
        frames = list[PixelArray]()
        for place, way in enumerate(ways):
            first = ways.index(way)
            frames.append(frames[first] if first < place else way.pixels(image))
        return row, frames

    return ahead(read, range(len(images)), processors(), (1 + BLOCKS_AHEAD) * BLOCK)


def _said(model: Loaded, parts: Sequence[Judged]) -> Said:
    stored = model.uncertainty or Uncertainty()
    probabilities = np.concatenate([part.probabilities.numpy() for part in parts])
    if broken := int((~np.isfinite(probabilities)).any(axis=1).sum()):
        raise WeightsError(
            f"{', '.join(model.class_names[:3])}, ... - no numbers - NaN or infinite ones for "
            f"{plural(broken, 'image')} - check the model with `adapt verify`"
        )
    verdicts = [part.verdicts for part in parts]
    if model.labelling.several:
        sets = np.concatenate([part.sets for part in verdicts])
        return Said(model.class_names, probabilities, sets=sets)
    return _with_thresholds(model.class_names, probabilities, verdicts, stored)


def _with_thresholds(
    class_names: list[str],
    probabilities: FloatArray,
    verdicts: Sequence[Verdicts],
    stored: Uncertainty,
) -> Said:
    """What a model says, with the verdicts of those thresholds that it stores, block by block."""
    abstained = np.concatenate([part.abstained for part in verdicts])
    sets = np.concatenate([part.sets for part in verdicts])
    return Said(
        class_names,
        probabilities,
        None if stored.abstain_below is None else abstained,
        None if stored.conformal_threshold is None else sets,
    )
