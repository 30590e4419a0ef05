"""The bundle on disk: safetensors and JSON, every file hashed, no code.

    model/open_clip_config.json       architecture and preprocessing, as open_clip reads them
    model/open_clip_model.safetensors both encoders under open_clip's own names
    model/head.safetensors            weight (K, D) and bias (K) of the head, and its cache
    model/probe.safetensors           four made-up images and the logits they gave when saved
    model/classifier.json             class names, prompts, temperature, origin, hash of each file;
                                      thresholds under `uncertainty`, when the model has them

The first two are a model folder of plain open_clip: `open_clip.create_model("local-dir:model")`.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapt.common.content import content_hash
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
    "temperature",
    "files",
)


def write_bundle(
    folder: Path,
    config: dict[str, Any],
    tensors: dict[str, dict[str, Tensor]],
    manifest: dict[str, Any],
) -> Path:
    """Write all files beside their places first, then move them in; the manifest comes last.

    Args:
        folder: Created when missing.
        config: Content of `open_clip_config.json`.
        tensors: State dicts by file name (`ENCODERS`, `HEAD`, `PROBE`).
        manifest: Content of `classifier.json` without `format` and `files`.

    Raises:
        BundleError: When the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, state in tensors.items():
            plain = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
            save_file(plain, _part(folder / name), metadata={"format": "pt"})
        _write_json(_part(folder / CONFIG), config)
        hashes = {name: content_hash(_part(folder / name)) for name in FILES}
        _write_json(_part(folder / MANIFEST), {"format": FORMAT, **manifest, "files": hashes})
        for name in (*FILES, MANIFEST):
            _part(folder / name).replace(folder / name)
    except (OSError, SafetensorError) as error:
        for name in (*FILES, MANIFEST):
            with contextlib.suppress(OSError):
                _part(folder / name).unlink(missing_ok=True)
        raise BundleError(
            f"{folder} - cannot be written - {error} - free some space or choose another folder"
        ) from error
    return folder


def read_bundle(
    folder: Path,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Read and check a bundle.

    Returns:
        The open_clip config, the manifest, and the state dicts by file name.

    Raises:
        BundleError: Not a bundle, from a newer version, or a file is missing, altered or damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"{folder} - not a bundle - there is no {MANIFEST} - give the `model` folder of a run"
        )
    manifest = _read_json(path)
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{path} - format not known - {manifest.get('format')!r}, this version reads "
            f"{FORMAT} - "
            "install the version of adapt that wrote it"
        )
    hashes = manifest.get("files")
    missing = [key for key in KEYS if key not in manifest]
    if missing or not isinstance(hashes, dict):
        raise BundleError(
            f"{path} - not whole - {', '.join(missing) or 'hashes'} missing - copy the whole "
            "folder again"
        )
    for name in FILES:
        if not (folder / name).is_file():
            raise BundleError(
                f"{folder / name} - missing - the manifest lists it - copy the whole folder again"
            )
        if content_hash(folder / name) != hashes.get(name):
            raise BundleError(
                f"{folder / name} - altered - its hash is not the one in {MANIFEST} - copy it again"
            )
    try:
        tensors = {name: load_file(folder / name) for name in (ENCODERS, HEAD, PROBE)}
    except SafetensorError as error:
        raise BundleError(
            f"{folder} - damaged weights - {error} - copy the whole folder again"
        ) from error
    return _read_json(folder / CONFIG), manifest, tensors


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path} - not JSON - {error} - copy the whole folder again") from error
    if not isinstance(content, dict):
        raise BundleError(
            f"{path} - not a mapping - {type(content).__name__} - copy the whole folder again"
        )
    return content
