"""How a model is written in another format: proven, or not at all."""

import shutil
from pathlib import Path
from typing import Any

from adapt.common.files import not_written, part_of, write_text
from adapt.common.typed import resolve_path
from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError, RunError
from adapt.export import preprocess
from adapt.export.base import format_of
from adapt.export.card import CardFacts, short_card
from adapt.export.int8 import make_int8
from adapt.export.parity import check_parity, keep_int8
from adapt.export.record import Record
from adapt.models.classifier import Classifier


def export(
    classifier: Classifier,
    folder: str | Path,
    to: str,
    info: dict[str, Any] | None = None,
    int8: ImageList | None = None,
    card: str | None = None,
) -> Path:
    """Write a model in another format, open it again in its own runtime, and compare its answers.

    Args:
        classifier: The model.
        folder: New, or empty.
        to: Name of a format: `adapt list formats`.
        info: What should travel along: anything that JSON can hold.
        int8: Labelled images that the model was not trained on: the model is written in eight bits,
            with the ranges of its activations taken from some of them, if its accuracy on all of
            them falls by at most one point.
        card: Text of the model card, for formats that have one; a short one is made without.

    Returns:
        The folder, with `export.json` (what the model is, and hashes of all files) and
        `parity.json` (how far its answers lie from those of the model).

    Raises:
        RecipeError: When the format is not known or has no eight bits, or the folder holds
            something.
        MissingExtraError: When the format needs packages that are not installed.
        BundleError: When the written model answers otherwise. Nothing is left then.
        ModelError: When the model is not one that the format can hold, or eight bits lose more than
            one point of accuracy, or of mAP where images have several labels. Nothing is left then.
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
        if wanted.card:
            write_text(part / wanted.card, card or _card(record, folder.name))
        shutil.copyfile(Path(preprocess.__file__), part / "preprocess.py")
        check_parity(part, record, wanted, classifier)
        if int8 is not None:
            keep_int8(part, record, wanted, make_int8(part, record, wanted, int8))
        record.write(part)
        if folder.exists():
            folder.rmdir()
        part.replace(folder)
    except OSError as error:
        raise RunError(not_written(folder, error, "choose another folder")) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _card(record: Record, title: str) -> str:
    kind = f"an export to `{record.to}`"
    use = ["    adapt push FOLDER owner/name\n    adapt predict FOLDER photos -o table.csv"]
    return short_card(title, CardFacts(kind, record.adapt, record.base, record.class_names), use)
