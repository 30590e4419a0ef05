"""Statistics of labelled images that are given later, in place of those in the bundle."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from adapt.checks.sources import read_sets
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.evaluation.unlabelled.reference import reference_of
from adapt.explore.monitor.line import LineOfModel
from adapt.explore.monitor.seen import Seen, see
from adapt.models.bundle.reference import MOST_IMAGES, Reference
from adapt.models.prediction.inputs import NamedImage
from adapt.predictions.opening import OpenModel

HELD_OUT = ("val", "test")
POINTS = (0.0, 0.5, 1.0)
"""Of the line, beside the model itself."""


def reference_of_folder(
    data: str | Path, opened: OpenModel, line: LineOfModel | None, batch_size: int = 64
) -> Reference:
    """Statistics of labelled images that the model did not learn from.

    Args:
        data: Folder, table or archive; of several splits `val` is taken, else `test`.
        opened: The model.
        line: Through it, if there is one.
        batch_size: Images computed at once.

    Raises:
        DataError: When there are no held-out images, one class is not known to the model, or no
            image can be read.
    """
    images = _images(data)
    targets = images.targets(opened.loaded.class_names)

    def again() -> Iterator[NamedImage]:
        return (NamedImage(path, path) for path in images.paths)

    seen = see(opened.predictor, again(), batch_size, sample=MOST_IMAGES)
    temperature = float(opened.loaded.temperature)
    logits = temperature * np.log(np.maximum(seen.probabilities, np.finfo(np.float64).tiny))
    known = targets[seen.places]
    if line is None:
        return reference_of(str(data), known, logits, temperature, seen.features)
    points = {line.alpha: (logits, temperature)}
    for alpha in {*POINTS} - {line.alpha}:
        own = _whole(line.logits(alpha, seen, again, batch_size), seen)
        points[alpha] = (own, fit_temperature(own, known))
    own_line = (line.alpha, points)
    return reference_of(str(data), known, logits, temperature, seen.features, own_line)


def _whole(logits: np.ndarray, seen: Seen) -> np.ndarray:
    if len(logits) != len(seen.names):
        raise DataError(
            f"reference - too many images - {len(seen.names)}, at most {MOST_IMAGES} - give fewer"
        )
    return logits


def _images(data: str | Path) -> ImageList:
    sets = read_sets(data).images
    if len(sets) == 1:
        return next(iter(sets.values()))
    for name in HELD_OUT:
        if name in sets:
            return sets[name]
    raise DataError(
        f"{data} - no held-out images - its splits are {', '.join(sets)} - give a folder with "
        "images that the model did not learn from"
    )
