"""Writing a bundle: the files appear together, or those that were there before stay."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from adapt.common.content import content_hash
from adapt.common.files import json_text, not_written
from adapt.errors import AdaptError, BundleError, one_line
from adapt.models.bundle.manifest import (
    CARD,
    CONFIG,
    FILES,
    MANIFEST,
    OPTIONAL,
    OWN_HASH,
    SIGNATURE,
    TEXT_MODEL,
    TOKENIZER,
    format_needed,
    manifest_hash,
)
from adapt.models.bundle.read import UNFINISHED, Bundle
from adapt.models.bundle.tensors import save_tensors

ELSEWHERE = "choose another folder"


def write_bundle(folder: Path, bundle: Bundle, check: Callable[[Path], object]) -> Path:
    """Write every file into a folder inside, check that one, then move the files to their places.

    Args:
        folder: Created when missing; it may hold an earlier bundle, and nothing else.
        bundle: What to write; its manifest is without `format`, `files` and its hash.
        check: Called with the folder that holds the written files; what it raises ends the save.

    Raises:
        BundleError: When the folder cannot be written, or `check` refuses what was written.
    """
    texts = _texts(bundle)
    part = folder / f".{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        part.mkdir()
        _write(part, bundle, texts)
        check(part)
        names = {path.name for path in part.iterdir()}
        for name in sorted(names, key=lambda name: name == MANIFEST):  # the manifest comes last
            (part / name).replace(folder / name)
        for name in {*FILES, *OPTIONAL, SIGNATURE} - names:
            (folder / name).unlink(missing_ok=True)
    except AdaptError as error:
        raise BundleError(str(error).replace(str(part), str(folder))) from error
    except (OSError, SafetensorError) as error:
        raise BundleError(not_written(folder, error, ELSEWHERE)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _texts(bundle: Bundle) -> dict[str, str]:
    """The JSON files but the manifest; what JSON cannot hold is refused before writing."""
    try:
        json_text(bundle.manifest)
    except (TypeError, ValueError, RecursionError) as error:
        raise BundleError(
            f"info - cannot be saved - {one_line(error)} - give texts, numbers, lists and mappings"
        ) from error
    texts = {CONFIG: json_text(bundle.config)}
    if bundle.text_model is not None:
        texts[TEXT_MODEL] = json_text(bundle.text_model)
    if bundle.tokenizer is not None:
        texts[TOKENIZER] = bundle.tokenizer
    if bundle.card is not None:
        texts[CARD] = bundle.card
    return texts


def _clear(folder: Path) -> None:
    """Remove what a killed save left, and refuse a folder that is used for something else."""
    for path in folder.iterdir():
        if UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in (*FILES, *OPTIONAL, MANIFEST, SIGNATURE):
            raise BundleError(
                f"{folder} - holds other files - {path.name} - choose an empty folder: a "
                "bundle with files that are not its own is refused when it is loaded"
            )


def _write(part: Path, bundle: Bundle, texts: dict[str, str]) -> None:
    for name, state in bundle.tensors.items():
        save_tensors(state, part / name)
    for name, text in texts.items():
        (part / name).write_text(text, "utf-8", "backslashreplace")
    hashes = {name: content_hash(part / name) for name in sorted({*bundle.tensors, *texts})}
    version = format_needed(bundle.manifest, hashes)
    stated = {"format": version, **bundle.manifest, "files": hashes}
    content: dict[str, Any] = json.loads(json_text(stated))
    content[OWN_HASH] = manifest_hash(content)
    (part / MANIFEST).write_text(json_text(content), encoding="utf-8")
