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
from adapt.export.base import Format
from adapt.export.opened import ExportedClassifier
from adapt.export.record import Record
from adapt.models.bundle.manifest import COPY, PROBE, read_mapping
from adapt.models.bundle.probe import Differences, probe_images
from adapt.models.classifier import Classifier

PARITY, IMAGES = "parity.json", "images"
BATCHES = (1, 3, 8)
LIMITS = {
    "float32": {"probabilities": 1e-4, "features": 1e-4},
    "int8": {"probabilities": 0.02, "features": 0.02},
}
"""Largest differences that another runtime may make. In eight bits a number beside a step may fall
to either side, and verdicts are not compared."""
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
    facts = {"to": record.to, "precision": "float32", "limits": LIMITS["float32"], "cases": cases}
    write_json(folder / PARITY, facts)
    _save(folder, images, wanted)


def exported_differences(folder: Path) -> Differences:
    """How far the answers of an export in float32 lay from those of its model, by `parity.json`.

    Args:
        folder: What `export` wrote.
    """
    facts = read_mapping(folder / PARITY)
    largest = max(case["largest_difference"]["probabilities"] for case in facts["cases"])
    return Differences(largest, facts["limits"]["probabilities"])


def keep_int8(folder: Path, record: Record, own: Format, lost: dict[str, Any]) -> None:
    """Take the answers in eight bits for those that `verify_export` compares with.

    Args:
        folder: Holds the files of the format.
        record: What the model is.
        own: The format.
        lost: What eight bits lost, for `parity.json`.
    """
    images = squares(record.parts()[0], max(BATCHES))
    _save(folder, images, own.read(folder, record)(np.stack(images)))
    facts = {"to": record.to, "precision": "int8", "limits": LIMITS["int8"], "val": lost}
    write_json(folder / PARITY, facts)


def _save(folder: Path, images: list[PixelArray], answers: GraphAnswers) -> None:
    arrays = {IMAGES: np.stack(images), **{n: getattr(answers, n) for n in GraphAnswers.names()}}
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, folder / PROBE)


def verify_export(folder: Path, trust: bool = False) -> Differences:
    """Check the hashes of a folder, and answer its probe again.

    Args:
        folder: What `adapt export` wrote.
        trust: Whether to open a format that can run code.

    Raises:
        BundleError: When something was altered, or answers lie further apart than rounding
            explains.
    """
    return repeat_probe(ExportedClassifier.load(folder, trust), folder)


def repeat_probe(model: ExportedClassifier, folder: Path) -> Differences:
    """What an opened export says of its probe, beside what it said when it was written.

    Raises:
        BundleError: When answers lie further apart than rounding explains.
    """
    record, runtime = model.record, model.runtime
    try:
        stored = load_file(folder / PROBE)
        images = stored.pop(IMAGES)
        case = differences(runtime(images), GraphAnswers(**stored)) | {"batch": len(images)}
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(
            f"{folder} - its probe cannot be answered - {one_line(error)} - {COPY}"
        ) from error
    _, own = record.parts()
    precision = read_mapping(folder / PARITY).get("precision")
    if precision not in LIMITS:
        raise BundleError(f"{folder / PARITY} - precision not known - {precision!r:.40} - {COPY}")
    if wrong := next(problems(case, own.rule.randomised, precision), None):
        raise BundleError(
            f"{folder} - other answers than when it was written - {wrong} - {COPY}, or export it "
            "again"
        )
    allowed = LIMITS[precision]["probabilities"]
    return Differences(case["largest_difference"]["probabilities"], allowed)


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
        name: float(np.abs(getattr(given, name) - getattr(wanted, name)).max())
        for name in LIMITS["float32"]
    }
    flags = {name: int((getattr(given, name) != getattr(wanted, name)).sum()) for name in FLAGS}
    best = given.probabilities.argmax(1) == wanted.probabilities.argmax(1)
    return {"largest_difference": sizes, "verdicts_that_differ": flags, "top1": float(best.mean())}


def problems(case: dict[str, Any], randomised: bool, precision: str = "float32") -> Iterator[str]:
    """What lies too far apart, in words.

    Args:
        case: See `differences`, and the size of its `batch`.
        randomised: Whether conformal sets depend on the last digits of logits, which no two
            runtimes share.
        precision: Of the exported model.
    """
    for name, size in case["largest_difference"].items():
        if not size <= LIMITS[precision][name]:
            yield f"{name} differ by {size:.1e} in a batch of {case['batch']}"
    if precision != "float32":
        return
    if case["top1"] < 1:
        yield f"other labels in a batch of {case['batch']}"
    for name, count in case["verdicts_that_differ"].items():
        if count and not (randomised and name == "conformal_set"):
            yield f"{count} of {name} differ in a batch of {case['batch']}"
