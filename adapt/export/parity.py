"""Does the exported model answer as the model does? Asked in its own runtime, written down."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from adapt.common.files import write_json
from adapt.data.decoding.open import open_image
from adapt.data.decoding.preprocessing import PixelArray, Preprocessing
from adapt.errors import BundleError, one_line
from adapt.export.answers import GraphAnswers, Runtime, answers_of
from adapt.export.base import Format, format_of
from adapt.export.record import Record
from adapt.models.bundle.manifest import COPY, PROBE
from adapt.models.bundle.probe import Differences, probe_images
from adapt.models.classifier import Classifier

PARITY, IMAGES = "parity.json", "images"
BATCHES = (1, 3, 8)
LIMITS = {"probabilities": 1e-4, "features": 1e-4}
"""Largest differences that another runtime may make in float32."""
FLAGS = ("abstained", "conformal_set", "unknown")


def check_parity(folder: Path, record: Record, own: Format, classifier: Classifier) -> None:
    """Open the written files and compare; write `parity.json`.

    Args:
        folder: Holds the files of the format.
        record: What the model is.
        own: The format.
        classifier: The model.

    Raises:
        BundleError: When answers lie further apart than rounding explains.
    """
    runtime, (preprocessing, uncertainty) = own.read(folder, record), record.parts()
    images = squares(preprocessing, max(BATCHES))
    wanted = answers_of(classifier, images)
    cases = [
        compared(runtime, [image], answers_of(classifier, [image]))
        for image in sized(preprocessing)
    ]
    cases += [compared(runtime, images[:batch], wanted.first(batch)) for batch in BATCHES]
    randomised = uncertainty.rule.randomised
    wrong = [problem for case in cases for problem in problems(case, randomised)]
    if wrong:
        raise BundleError(
            f"{record.to} - other answers than the model - {wrong[0]} - export it in another "
            "format, and report this"
        )
    write_json(folder / PARITY, {"to": record.to, "limits": LIMITS, "cases": cases})
    arrays = {IMAGES: np.stack(images), **{n: getattr(wanted, n) for n in GraphAnswers.names()}}
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, folder / PROBE)


def verify_export(folder: Path) -> Differences:
    """Check the hashes of a folder, and answer its probe again.

    Raises:
        BundleError: When something was altered, or answers lie further apart than rounding
            explains.
    """
    record = Record.read(folder)
    runtime = format_of(record.to).read(folder, record)
    try:
        stored = load_file(folder / PROBE)
        images = stored.pop(IMAGES)
        case = differences(runtime(images), GraphAnswers(**stored)) | {"batch": len(images)}
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(
            f"{folder} - its probe cannot be answered - {one_line(error)} - {COPY}"
        ) from error
    _, own = record.parts()
    if wrong := next(problems(case, own.rule.randomised), None):
        raise BundleError(
            f"{folder} - other answers than when it was written - {wrong} - {COPY}, or export it "
            "again"
        )
    return Differences(case["largest_difference"]["probabilities"], LIMITS["probabilities"])


def sized(own: Preprocessing) -> Iterator[PixelArray]:
    """The images of the probe, in sizes of their own."""
    for file in probe_images(own.size):
        yield np.asarray(open_image(file))


def squares(own: Preprocessing, count: int) -> list[PixelArray]:
    """So many images of the size that is read: those of the probe, each time turned once more."""
    read = [own.pixels(Image.fromarray(image)) for image in sized(own)]
    return [np.rot90(read[n % len(read)], n // len(read)).copy() for n in range(count)]


def compared(
    runtime: Runtime, images: Sequence[PixelArray], wanted: GraphAnswers
) -> dict[str, Any]:
    """Differences from the model's answers for one batch of images that share a shape."""
    given = runtime(np.stack(images))
    facts = {"batch": len(images), "shape": list(images[0].shape)}
    return differences(given, wanted) | facts


def differences(given: GraphAnswers, wanted: GraphAnswers) -> dict[str, Any]:
    """Largest differences of numbers, and how many verdicts differ.

    Args:
        given: Of the exported model.
        wanted: Of the model.
    """
    sizes = {
        name: float(np.abs(getattr(given, name) - getattr(wanted, name)).max()) for name in LIMITS
    }
    flags = {name: int((getattr(given, name) != getattr(wanted, name)).sum()) for name in FLAGS}
    best = given.probabilities.argmax(1) == wanted.probabilities.argmax(1)
    return {"largest_difference": sizes, "verdicts_that_differ": flags, "top1": float(best.mean())}


def problems(case: dict[str, Any], randomised: bool) -> Iterator[str]:
    """What lies too far apart, in words.

    Args:
        case: See `differences`, and the size of its `batch`.
        randomised: Whether conformal sets depend on the last digits of logits, which no two
            runtimes share.
    """
    for name, size in case["largest_difference"].items():
        if not size <= LIMITS[name]:
            yield f"{name} differ by {size:.1e} in a batch of {case['batch']}"
    if case["top1"] < 1:
        yield f"other labels in a batch of {case['batch']}"
    for name, count in case["verdicts_that_differ"].items():
        if count and not (randomised and name == "conformal_set"):
            yield f"{count} of {name} differ in a batch of {case['batch']}"
