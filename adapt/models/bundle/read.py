"""Reading a bundle: every file is checked against its hash before anything is built from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapt.common.content import content_hash
from adapt.common.typed import misfit
from adapt.errors import BundleError, DataError, one_line
from adapt.models.bundle.manifest import (
    CARD,
    CONFIG,
    COPY,
    MANIFEST,
    PROBE,
    SIGNATURE,
    TEXT_MODEL,
    TOKENIZER,
    facts_of,
    read_manifest,
    read_mapping,
)
from adapt.models.bundle.probe import FACTS, facts_hash
from adapt.models.bundle.tensors import load_tensors

UNFINISHED = re.compile(r"\.\d+\.part")
"""What a save that was killed leaves behind; it is not looked at."""
CROP = "crop_pct"
"""Of timm's image encoders alone."""
PREPROCESSING: dict[str, Any] = {
    "size": int,
    "mean": list[float],
    "std": list[float],
    "interpolation": str,
    "resize_mode": str,
    "fill_color": int,
}
IMAGE_SIZE = 224
"""What open_clip takes for `image_size` when a config does not say it."""


@dataclass(frozen=True)
class Bundle:
    """What the files of a bundle hold."""

    config: dict[str, Any]
    """`model_cfg` and `preprocess_cfg`, as open_clip reads them."""
    manifest: dict[str, Any]
    """`classifier.json`."""
    tensors: dict[str, dict[str, Tensor]]
    """State dicts by file name (`ENCODERS` or `DELTA`, `HEAD`, `PROBE`, `ADAPTER`, `REFERENCE`)."""
    text_model: dict[str, Any] | None = None
    """Settings of a Hugging Face text encoder."""
    tokenizer: str | None = None
    """Tokenizer of Hugging Face, as a JSON text."""
    card: str | None = None
    """The model card, for people."""


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle.

    Raises:
        BundleError: Not a bundle, from another version, or a file is missing, altered, damaged, a
            link, or none of its own.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest["files"], MANIFEST)
    config = read_mapping(folder / CONFIG)
    _check_preprocessing(folder / CONFIG, config)
    text_model = read_mapping(folder / TEXT_MODEL) if TEXT_MODEL in manifest["files"] else None
    names = [name for name in manifest["files"] if name.endswith(".safetensors")]
    tensors = {name: load_tensors(folder / name) for name in names}
    stated = tensors[PROBE].get(FACTS)
    if stated is None or not torch.equal(stated, facts_hash(facts_of(manifest))):
        raise BundleError(
            f"{folder / MANIFEST} - altered - {PROBE} was written for other class names, prompts, "
            f"temperature or thresholds - {COPY}"
        )
    tokenizer, card = (_text(folder, manifest["files"], name) for name in (TOKENIZER, CARD))
    return Bundle(config, manifest, tensors, text_model, tokenizer, card)


def check_files(folder: Path, hashes: Mapping[str, str], listing: str) -> None:
    """Check that a folder holds the listed files, unaltered, and no others.

    Args:
        folder: Files of it are directly in it.
        hashes: SHA-256 by name.
        listing: Name of the file that lists them.

    Raises:
        BundleError: When a file is missing, altered, a link, or not listed.
    """
    for path in sorted(folder.iterdir()):
        own = path.name in hashes or path.name in (listing, SIGNATURE)
        if path.is_symlink() or (own and not path.is_file()):
            raise BundleError(
                f"{path} - not a plain file - a link or a folder - put the files themselves there"
            )
        if not own and UNFINISHED.fullmatch(path.name) is None:
            raise BundleError(
                f"{path} - not a file of this bundle - {listing} does not list it - remove it"
            )
    for name, expected in hashes.items():
        check_listed(folder, name, expected, listing)


def check_listed(folder: Path, name: str, expected: str, listing: str = MANIFEST) -> None:
    """Check that a listed file is there, unaltered.

    Args:
        folder: Of the model.
        name: Of the file.
        expected: Its SHA-256.
        listing: Name of the file that lists it.

    Raises:
        BundleError: When it is missing or altered.
    """
    path = folder / name
    if not path.is_file():
        raise BundleError(f"{path} - missing - {listing} lists it - {COPY}")
    try:
        actual = content_hash(path)
    except DataError as error:
        raise BundleError(str(error)) from error
    if actual != expected:
        raise BundleError(
            f"{path} - altered - its hash is not the one in {listing} - copy it again"
        )


def _check_preprocessing(path: Path, config: dict[str, Any]) -> None:
    if set(config) != {"model_cfg", "preprocess_cfg"}:
        keys = ", ".join(map(str, config))[:60]
        raise BundleError(f"{path} - not model_cfg and preprocess_cfg - {keys} - {COPY}")
    given, model = config["preprocess_cfg"], config["model_cfg"]
    if not isinstance(given, dict) or set(given) - {CROP} != set(PREPROCESSING):
        raise BundleError(
            f"{path} - preprocess_cfg - other keys - {str(given)[:60]} - give "
            f"{', '.join(PREPROCESSING)}"
        )
    hints = PREPROCESSING | ({CROP: float} if CROP in given else {})
    for key, hint in hints.items():
        if problem := misfit(hint, given[key], f"preprocess_cfg.{key}"):
            raise BundleError(f"{path} - {problem} - {COPY}")
    vision = model.get("vision_cfg") if isinstance(model, dict) else None
    side = vision.get("image_size", IMAGE_SIZE) if isinstance(vision, dict) else None
    if given["size"] not in (side, (side or [None])[0] if isinstance(side, list) else side):
        raise BundleError(
            f"{path} - preprocess_cfg.size - not what the model reads - {given['size']}, its "
            f"image_size is {side} - {COPY}"
        )


def _text(folder: Path, hashes: dict[str, str], name: str) -> str | None:
    if name not in hashes:
        return None
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / name} - damaged - {one_line(error)} - {COPY}") from error
