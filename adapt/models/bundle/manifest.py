"""Names of a bundle's files, and `classifier.json`, which lists them."""

import json
from pathlib import Path
from typing import Any

from adapt.errors import BundleError

FORMAT = 1
MANIFEST = "classifier.json"
CONFIG = "open_clip_config.json"
ENCODERS = "open_clip_model.safetensors"
HEAD = "head.safetensors"
PROBE = "probe.safetensors"
FILES = (CONFIG, ENCODERS, HEAD, PROBE)
UNCERTAINTY = "uncertainty"
KEYS = (
    "arch",
    "pretrained",
    "base_hash",
    "class_names",
    "prompts",
    "head_from_text",
    "features",
    "temperature",
    "files",
)
COPY = "copy the whole folder again"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check `classifier.json`; the files that it lists are not opened.

    Raises:
        BundleError: Not a bundle, from a newer version, or a key is missing.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"{folder} - not a bundle - there is no {MANIFEST} - give the `model` folder of a run"
        )
    manifest = read_mapping(path)
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{path} - format not known - {manifest.get('format')!r}, this version reads "
            f"{FORMAT} - install the version of adapt that wrote it"
        )
    missing = [key for key in KEYS if key not in manifest]
    if missing or not isinstance(manifest["files"], dict):
        raise BundleError(
            f"{path} - incomplete - {', '.join(missing) or 'hashes'} missing - {COPY}"
        )
    return manifest


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a JSON file of a bundle.

    Raises:
        BundleError: When it does not hold a JSON mapping.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path} - not JSON - {error} - {COPY}") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} - not a mapping - {type(content).__name__} - {COPY}")
    return content
