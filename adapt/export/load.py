"""One door for every shipped model: a bundle, or what `adapt export` wrote."""

from pathlib import Path
from typing import TypeAlias

from adapt.common.typed import resolve_path
from adapt.export.opened import ExportedClassifier
from adapt.export.parity import repeat_probe as repeat_probe_of_export
from adapt.export.record import RECORD
from adapt.models.bundle.manifest import MANIFEST
from adapt.models.bundle.probe import Differences
from adapt.models.classifier import Classifier, repeat_probe
from adapt.training.runtime import resolve_accelerator

Loaded: TypeAlias = Classifier | ExportedClassifier


def load(path: str | Path, trust: bool = False) -> Loaded:
    """Open a shipped model; both kinds have `predict`, `predict_iter` and `class_names`.

    Args:
        path: A `model` folder of a run, or a folder that `adapt export` wrote.
        trust: Whether to open a format that can run code (`torch`): you know where it comes from.

    Raises:
        BundleError: When it is neither, was altered, or is not trusted and can run code.
        MissingExtraError: When the runtime of its format is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = Classifier.from_clip("adapt-icons-xs", "random", ["cat", "dog"])
        ...     load(made.save(folder)).class_names
        ['cat', 'dog']
    """
    if is_export(path):
        return ExportedClassifier.load(resolve_path(path), trust)
    return Classifier.load(path)


def verify(path: str | Path, base: str | Path | None = None, trust: bool = False) -> Differences:
    """Check a shipped model; see `verified`."""
    return verified(path, base, trust)[1]


def verified(
    path: str | Path, base: str | Path | None = None, trust: bool = False
) -> tuple[Loaded, Differences]:
    """Open a shipped model and check it: its hashes, and what it says of its stored images.

    Args:
        path: A bundle, or a folder that `adapt export` wrote.
        base: Where the pretrained weights are that a delta changes; see
            `adapt.models.classifier.Classifier.load`.
        trust: See `load`.

    Returns:
        The model, and how far its answers lie from the stored ones.

    Raises:
        BundleError: When it was altered, answers otherwise than when it was written, or is not
            trusted and can run code.
    """
    folder = resolve_path(path)
    if is_export(folder):
        model = ExportedClassifier.load(folder, trust)
        return model, repeat_probe_of_export(model, folder)
    classifier = Classifier.load(path, base)
    return classifier, repeat_probe(classifier, path)


def place_of(device: str, *models: str | Path) -> str:
    """Where models compute together: exports run on the CPU here, and others beside them too.

    Args:
        device: What `--device` says; `auto` is a GPU where there is one.
        models: Bundles and exports.

    Raises:
        RecipeError: When the device is not known or not there.
    """
    if device == "auto" and any(map(is_export, models)):
        return "cpu"
    return resolve_accelerator(device, "--device")


def listing_path(folder: Path) -> Path:
    """The file of a model folder that lists all others: its hash stands for the whole model."""
    return folder / (RECORD if is_export(folder) else MANIFEST)


def is_export(path: str | Path) -> bool:
    """Whether `adapt export` wrote this folder."""
    return (resolve_path(path) / RECORD).is_file()
