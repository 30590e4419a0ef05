"""The two models that are compared: opened, or known by what a run stored of them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.content import content_hashes
from adapt.common.typed import resolve_path
from adapt.common.words import first_few, plural
from adapt.comparison.answers import PairedSet, said_by_logits
from adapt.comparison.speed import bytes_of
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.quarantine import FIT_SPLITS
from adapt.errors import DataError, RecipeError
from adapt.export.load import Loaded, load
from adapt.models.classifier import Classifier
from adapt.runs.folder.answers import StoredAnswers, StoredEval, has_answers, read_answers

MODEL = "model"
"""Where a run folder has its bundle."""
Given = str | Path | Loaded


@dataclass(frozen=True)
class Side:
    """One of the two models."""

    name: str
    place: str
    """The folder that was given; empty for a model that was given itself."""
    about: str
    """Architecture and weights, and the form it is stored in."""
    class_names: list[str]
    bytes: int | None
    """On disk; None where there is no model folder."""

    def to_dict(self) -> dict[str, Any]:
        """What `diff.json` holds of it."""
        return {
            "name": self.name,
            "path": self.place,
            "about": self.about,
            "classes": len(self.class_names),
            "bytes": self.bytes,
        }


def opened(
    given: Given, name: str, device: str | None = None, several: bool = False
) -> tuple[Side, Loaded]:
    """A shipped model, ready to predict.

    Args:
        given: A bundle, an export, a run folder (its `model` is taken), or a loaded model.
        name: What to call a model that has no folder.
        device: Where it computes; None leaves a loaded model where it is.
        several: Whether it may give several labels per image.

    Raises:
        BundleError: When it is no model, or was altered.
        RecipeError: When it gives several labels per image and is not to.
    """
    if not isinstance(given, (str, Path)):
        _check_labels(given, name, several)
        placed = given if device is None else given.to(device)
        return Side(name, "", _about(given), given.class_names, None), placed
    place = model_folder(given)
    model = load(place).to(device or "cpu")
    _check_labels(model, place, several)
    side = Side(title_of(given), str(given), _about(model), model.class_names, bytes_of(place))
    return side, model


def _check_labels(model: Loaded, name: str | Path, several: bool) -> None:
    if model.labelling.several and not several:
        what = "gives several labels per image, and answers are compared one by one"
        raise RecipeError(f"{name} - {what} - a model - give a model of one label per image")


def of_run(given: Given) -> tuple[Side, StoredAnswers]:
    """A model by what its run stored: nothing is computed.

    Raises:
        RecipeError: When it is no run folder.
        RunError: When its answers are missing or cannot be read.
    """
    folder = resolve_path(given) if isinstance(given, (str, Path)) else None
    if folder is None or not (has_answers(folder) or (folder / "recipe.yaml").is_file()):
        raise RecipeError(
            f"{given} - not a run folder - and no images were given to compare on - give DATA, or "
            "two folders that `adapt run` wrote"
        )
    stored = read_answers(folder)
    model = folder / MODEL
    size = bytes_of(model) if model.is_dir() else None
    about = f"{_base_of_run(folder)}, stored answers of a run"
    side = Side(title_of(folder), str(given), about, stored.class_names, size)
    return side, stored


def seen_by(given: Given, names: Sequence[str] = FIT_SPLITS) -> set[str]:
    """SHA-256 of the images that a run learned from or chose on; empty where that is not known.

    Args:
        given: A run folder, or the `model` in it; of other models nothing is known.
        names: Of the splits that are looked at.
    """
    if not isinstance(given, (str, Path)):
        return set()
    folder = resolve_path(given).resolve()
    for place in (folder, folder.parent):
        if (place / MODEL).is_dir() and (place / "split.json").is_file():
            with suppress(OSError, ValueError, LookupError, TypeError):
                splits = json.loads((place / "split.json").read_text(encoding="utf-8"))["splits"]
                entries = [entry for name in names for entry in splits.get(name, ())]
                return {str(entry["sha256"]) for entry in entries}
    return set()


def leaks(given: Sequence[Given], sets: Mapping[str, ImageList]) -> list[str]:
    """Which images a model has learned from, as far as its run folder tells.

    Args:
        given: A and B.
        sets: The images to compare on, by name.
    """
    sentences = []
    for side, own in zip(("A", "B"), map(seen_by, given), strict=True):
        for name, images in sets.items() if own else ():
            if images.shift is None and (
                count := sum(digest in own for digest in content_hashes(images.paths))
            ):
                sentences.append(
                    f"{count:,} of {plural(len(images), 'image')} of {name} were in train or val "
                    f"of {side}: its scores there are too high"
                )
    return sentences


def model_folder(given: str | Path) -> Path:
    """The bundle or export itself, where a run folder may have been given."""
    folder = resolve_path(given)
    inside = folder / MODEL
    return inside if inside.is_dir() and not (folder / "classifier.json").is_file() else folder


def title_of(given: str | Path) -> str:
    """What a model is called: the folder of its run, or its own."""
    place = model_folder(given).resolve()
    return place.parent.name if place.name == MODEL else place.name


def told_apart(names: tuple[str, str], places: tuple[str, str]) -> tuple[str, str]:
    """Two names, or where they are the same the whole paths, if both have one.

    >>> told_apart(("new", "new"), ("a/new", "b/new"))
    ('a/new', 'b/new')
    """
    return places if names[0] == names[1] and all(places) else names


def _about(model: Loaded) -> str:
    if isinstance(model, Classifier):
        spec = model.backbone.spec
        return f"{spec.arch} ({spec.pretrained})"
    base = model.record.base
    return f"{base['arch']} ({base['pretrained']}), exported to {model.record.to}"


def _base_of_run(folder: Path) -> str:
    try:
        model = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["model"]
        return f"{model['arch']} ({model['pretrained']})"
    except (OSError, ValueError, LookupError, TypeError):
        return "unknown base"


def shared_evals(a: StoredAnswers, b: StoredAnswers) -> tuple[list[str], list[str]]:
    """The test sets that two runs share, by name in the order of A, and notes on the others.

    Raises:
        DataError: When they share none.
    """
    first, second = a.evals, b.evals
    shared = [name for name in first if name in second]
    if not shared:
        given = f"A has {first_few(first) or 'none'}; B has {first_few(second) or 'none'}"
        raise DataError(f"runs - no test set in common - {given} - give DATA to compare on")
    notes = [
        f"only {side} has the test set{'s' if len(rest) > 1 else ''} {first_few(rest)}"
        for side, own, other in (("A", first, second), ("B", second, first))
        if (rest := [name for name in own if name not in other])
    ]
    return shared, notes


def paired_eval(name: str, a: StoredAnswers, b: StoredAnswers) -> PairedSet:
    """One test set of two runs, image by image.

    Raises:
        DataError: When the runs have other images, labels or another shift under this name.
    """
    first, second = a.evals[name], b.evals[name]
    if first.images.shift != second.images.shift:
        given = f"{first.images.shift} and {second.images.shift}"
        raise DataError(f"{name} - not the same shift - {given} - give DATA to compare on")
    order = _places(name, first, second)
    said = [
        said_by_logits(own.class_names, logits, own.temperature, own.uncertainty)
        for own, logits in ((a, first.logits), (b, second.logits[order]))
    ]
    return PairedSet(name, first.images, said[0], said[1], first.hashes)


def _places(name: str, first: StoredEval, second: StoredEval) -> np.ndarray:
    """Where each image of the first stands in the second."""
    places = defaultdict[tuple[str, str], list[int]](list)
    for place, key in enumerate(_keys(second)):
        places[key].append(place)
    keys = _keys(first)
    order = [places[key].pop(0) if places[key] else -1 for key in keys]
    missing = order.count(-1)
    if missing or len(keys) != len(second.hashes):
        files = len(set(first.hashes) & set(second.hashes))
        given = (
            f"{plural(len(keys), 'image')} in A, {len(second.hashes):,} in B, "
            f"{len(keys) - missing:,} with the same content and label, {files:,} with the same "
            "content"
        )
        raise DataError(f"{name} - not the same images - {given} - give DATA to compare on")
    return np.array(order)


def _keys(own: StoredEval) -> Sequence[tuple[str, str]]:
    return list(zip(own.hashes, own.images.labels, strict=True))
