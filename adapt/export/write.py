"""How a model is written in another format: proven, or not at all."""

import shutil
from pathlib import Path
from typing import Any

from adapt.common.files import part_of
from adapt.common.typed import resolve_path
from adapt.errors import RecipeError, RunError
from adapt.export import preprocess
from adapt.export.base import format_of
from adapt.export.parity import check_parity
from adapt.export.record import Record
from adapt.models.classifier import Classifier


def export(
    classifier: Classifier, folder: str | Path, to: str, info: dict[str, Any] | None = None
) -> Path:
    """Write a model in another format, open it again in its own runtime, and compare its answers.

    Args:
        classifier: The model.
        folder: New, or empty.
        to: Name of a format: `adapt list formats`.
        info: What should travel along: anything that JSON can hold.

    Returns:
        The folder, with `export.json` (what the model is, and hashes of all files) and
        `parity.json` (how far its answers lie from those of the model).

    Raises:
        RecipeError: When the format is not known, or the folder holds something.
        MissingExtraError: When the format needs packages that are not installed.
        BundleError: When the written model answers otherwise. Nothing is left then.
        RunError: When the folder cannot be written.
    """
    wanted, folder = format_of(to), resolve_path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(f"{folder} - exists - it would be overwritten - give a new folder")
    part = part_of(folder)
    try:
        part.mkdir(parents=True)
        wanted.write(classifier, part)
        record = Record.of(classifier, to, info or {})
        shutil.copyfile(Path(preprocess.__file__), part / "preprocess.py")
        check_parity(part, record, wanted, classifier)
        record.write(part)
        if folder.exists():
            folder.rmdir()
        part.replace(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{folder} - cannot be written - {reason} - free some space there, or choose another "
            "folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder
