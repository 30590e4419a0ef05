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


def load(path: str | Path) -> Loaded:
    """Open a shipped model; both kinds have `predict`, `predict_iter` and `class_names`.

    Args:
        path: A `model` folder of a run, or a folder that `adapt export` wrote.

    Raises:
        BundleError: When it is neither, or was altered.
        MissingExtraError: When the runtime of its format is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = Classifier.from_clip("adapt-icons-xs", "random", ["cat", "dog"])
        ...     load(made.save(folder)).class_names
        ['cat', 'dog']
    """
    return ExportedClassifier.load(resolve_path(path)) if is_export(path) else Classifier.load(path)


def verify(path: str | Path, base: str | Path | None = None) -> Differences:
    """Check a shipped model: its hashes, and what it says of its stored images.

    Args:
        path: A bundle, or a folder that `adapt export` wrote.
        base: Where the pretrained weights are that a delta changes; see
            `adapt.models.classifier.Classifier.load`.

    Raises:
        BundleError: When it was altered, or answers otherwise than when it was written.
    """
    if is_export(path):
        return verify_export(resolve_path(path))
    return verify_bundle(path, base)


def is_export(path: str | Path) -> bool:
    """Whether `adapt export` wrote this folder."""
    return (resolve_path(path) / RECORD).is_file()
