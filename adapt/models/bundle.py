"""The bundle on disk: safetensors and JSON, every file hashed, no code.

    model/open_clip_config.json       architecture and preprocessing, as open_clip reads them
    model/open_clip_model.safetensors both towers under open_clip's own names
    model/head.safetensors            weight (K, D) and bias (K) of the head
    model/probe.safetensors           four made-up images and the logits they gave when saved
    model/classifier.json             class names, prompts, temperature, origin, hash of each file

The first two are a model folder of plain open_clip: `open_clip.create_model("local-dir:model")`.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapt.errors import BundleError

FORMAT = 1
MANIFEST = "classifier.json"
CONFIG = "open_clip_config.json"
TOWERS = "open_clip_model.safetensors"
HEAD = "head.safetensors"
PROBE = "probe.safetensors"
FILES = (CONFIG, TOWERS, HEAD, PROBE)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _slow_hash(path)


def _slow_hash(path: Path) -> str:
    """For Python 3.10, which has no `file_digest`."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_bundle(folder: Path, config: dict[str, Any], tensors: dict[str, dict[str, Tensor]],
                 manifest: dict[str, Any]) -> Path:  # fmt: skip
    """Write all files beside their places first, then move them in; the manifest comes last.

    Args:
        folder: Created when missing.
        config: Content of `open_clip_config.json`.
        tensors: State dicts by file name (`TOWERS`, `HEAD`, `PROBE`).
        manifest: Content of `classifier.json` without `format` and `files`.

    Raises:
        BundleError: When the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, state in tensors.items():
            plain = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
            save_file(plain, folder / f".{name}.part", metadata={"format": "pt"})
            os.replace(folder / f".{name}.part", folder / name)
        _write_json(folder / CONFIG, config)
        hashes = {name: file_hash(folder / name) for name in FILES}
        _write_json(folder / MANIFEST, {"format": FORMAT, **manifest, "files": hashes})
    except OSError as error:
        raise BundleError(f"{folder} - cannot be written - {error} - free some space or choose another folder") from error
    return folder


def read_bundle(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Read and check a bundle.

    Returns:
        The open_clip config, the manifest, and the state dicts by file name.

    Raises:
        BundleError: Not a bundle, from a newer version, or a file is missing, altered or damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} - not a bundle - there is no {MANIFEST} - give the `model` folder of a run")
    manifest = _read_json(path)
    if manifest.get("format") != FORMAT:
        raise BundleError(f"{path} - format not known - {manifest.get('format')!r}, this version reads {FORMAT} - "
                          "install the version of adapt that wrote it")  # fmt: skip
    for name in FILES:
        if not (folder / name).is_file():
            raise BundleError(f"{folder / name} - missing - the manifest lists it - copy the whole folder again")
        if file_hash(folder / name) != manifest.get("files", {}).get(name):
            raise BundleError(f"{folder / name} - altered - its hash is not the one in {MANIFEST} - copy it again")
    try:
        tensors = {name: load_file(folder / name) for name in (TOWERS, HEAD, PROBE)}
    except SafetensorError as error:
        raise BundleError(f"{folder} - damaged weights - {error} - copy the whole folder again") from error
    return _read_json(folder / CONFIG), manifest, tensors


def _write_json(path: Path, content: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path} - not JSON - {error} - copy the whole folder again") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} - not a mapping - {type(content).__name__} - copy the whole folder again")
    return content
