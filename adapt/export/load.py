"""One door for every shipped model: a bundle, or what `adapt export` wrote."""

from pathlib import Path
from typing import TypeAlias

from adapt.common.typed import resolve_path
from adapt.export.opened import ExportedClassifier
from adapt.export.parity import verify_export
from adapt.export.record import RECORD
from adapt.models.bundle.probe import Differences
from adapt.models.classifier import Classifier, verify_bundle

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
    """Check a shipped model: its hashes, and what it says of its stored images.

    Args:
        path: A bundle, or a folder that `adapt export` wrote.
        base: Where the pretrained weights are that a delta changes; see
            `adapt.models.classifier.Classifier.load`.
        trust: See `load`.

    Raises:
        BundleError: When it was altered, answers otherwise than when it was written, or is not
            trusted and can run code.
    """
    if is_export(path):
        return verify_export(resolve_path(path), trust)
    return verify_bundle(path, base)


def is_export(path: str | Path) -> bool:
    """Whether `adapt export` wrote this folder."""
    return (resolve_path(path) / RECORD).is_file()
