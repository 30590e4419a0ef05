"""What the shipped model of a run says of every test image, so that runs are compared later.

`answers.safetensors` holds the logits by eval, `answers.json` what they mean. The images are those
of `split.json`, in its order.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from adapt.common.files import write_json, write_whole
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.errors import AdaptError, RunError, one_line
from adapt.models.prediction.uncertainty import Uncertainty

LOGITS, MEANING = "answers.safetensors", "answers.json"
VERSION = 1
AGAIN = "run the recipe again with this version of adapt"
PAIRS = "pairs"
"""What `scores.json` calls the task of a run on captions."""


@dataclass(frozen=True)
class StoredEval:
    """One test set of a run: its images by content, and what the shipped model says of them."""

    images: ImageList
    """Where the images were; they need not be there any more."""
    hashes: list[str]
    """SHA-256 of each file."""
    logits: np.ndarray
    """Shape (N, K), float32, before temperature."""


@dataclass(frozen=True)
class StoredAnswers:
    """What a run folder tells of its shipped model."""

    class_names: list[str]
    temperature: float
    uncertainty: Uncertainty
    evals: dict[str, StoredEval]
    """In recipe order."""


def write_answers(
    folder: Path,
    judge: tuple[list[str], float, Uncertainty],
    logits: Mapping[str, np.ndarray],
    evals: Mapping[str, ImageList],
    of: Mapping[str, str | None],
) -> None:
    """Write what the shipped model says of the evals; `split.json` names their images.

    Args:
        folder: Run folder.
        judge: The K classes, the temperature and the thresholds of the shipped model.
        logits: By eval, shape (N, K).
        evals: The images by eval.
        of: The eval that each one is a corruption of, if it is one.

    Raises:
        RunError: When a file cannot be written.
    """
    class_names, temperature, uncertainty = judge
    arrays = {name: np.ascontiguousarray(logits[name], np.float32) for name in evals}
    write_whole(folder / LOGITS, lambda part: part.write_bytes(save(arrays)))
    content = {
        "format": VERSION,
        "class_names": class_names,
        "temperature": float(temperature),
        "uncertainty": uncertainty.to_dict(),
        "evals": {name: _meaning(images, _origin(name, of)) for name, images in evals.items()},
    }
    write_json(folder / MEANING, content)


def _origin(name: str, of: Mapping[str, str | None]) -> str:
    """The eval whose images these are: a corruption has those of another."""
    before = of.get(name)
    return name if before is None else _origin(before, of)


def _meaning(images: ImageList, of: str) -> dict[str, Any]:
    return {
        "root": images.root,
        "of": of,
        "shift": None if images.shift is None else vars(images.shift),
        "groups": images.groups,
        "columns": images.columns,
    }


def has_answers(folder: Path) -> bool:
    """Whether this is the folder of a run that stored what its model says."""
    return (folder / MEANING).is_file()


def read_answers(folder: Path) -> StoredAnswers:
    """Read what `write_answers` wrote.

    Args:
        folder: Run folder.

    Raises:
        RunError: When a file is missing, from another version or damaged, or they do not fit
            each other.
    """
    if not has_answers(folder):
        raise RunError(f"{folder} - no stored answers - {_why_none(folder)}")
    try:
        content = json.loads((folder / MEANING).read_text(encoding="utf-8"))
        if content["format"] != VERSION:
            raise ValueError(f"format {content['format']!r}, this version reads {VERSION}")
        splits = json.loads((folder / "split.json").read_text(encoding="utf-8"))["splits"]
        names, arrays = list(content["class_names"]), load_file(folder / LOGITS)
        evals, shape = {}, len(names)
        for name, meaning in content["evals"].items():
            entries = splits[meaning["of"]]
            if arrays[name].shape != (len(entries), shape):
                given = f"{arrays[name].shape} for {len(entries)} images and {shape} classes"
                raise ValueError(f"{name}: logits of shape {given}")
            evals[name] = StoredEval(
                _images(meaning, entries), [entry["sha256"] for entry in entries], arrays[name]
            )
        uncertainty = Uncertainty.from_dict(content["uncertainty"], shape)
        return StoredAnswers(names, float(content["temperature"]), uncertainty, evals)
    except (OSError, ValueError, LookupError, TypeError, SafetensorError, AdaptError) as error:
        raise RunError(
            f"{folder} - its stored answers cannot be read - {one_line(error)} - {AGAIN}"
        ) from error


def _why_none(folder: Path) -> str:
    """Why a run has none, and what to do."""
    with suppress(OSError, ValueError):
        scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        if scores.get("task") == PAIRS:
            return (
                "it learned from captions, not classes - compare such runs with adapt report "
                "--compare, or give labelled images"
            )
    return f"there is no {MEANING} - {AGAIN}"


def _images(meaning: Mapping[str, Any], entries: Sequence[Mapping[str, str]]) -> ImageList:
    shift = meaning["shift"]
    return ImageList(
        [str(Path(meaning["root"], entry["path"])) for entry in entries],
        [entry["label"] for entry in entries],
        meaning["groups"],
        None,
        meaning["root"],
        {},
        None if shift is None else Shift(**shift),
        columns=meaning["columns"],
    )
