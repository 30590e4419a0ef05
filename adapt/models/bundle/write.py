"""Writing a bundle: the files appear together, or those that were there before stay."""

import contextlib
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from adapt.common.content import content_hash
from adapt.common.files import json_text, part_of
from adapt.errors import BundleError
from adapt.models.bundle.manifest import CONFIG, FILES, FORMAT, MANIFEST


def write_bundle(
    folder: Path,
    config: dict[str, Any],
    tensors: dict[str, dict[str, Tensor]],
    manifest: dict[str, Any],
) -> Path:
    """Write every file beside its final path first, then move them there; the manifest comes last.

    Args:
        folder: Created when missing.
        config: Content of `open_clip_config.json`.
        tensors: State dicts by file name (`ENCODERS`, `HEAD`, `PROBE`).
        manifest: Content of `classifier.json` without `format` and `files`.

    Raises:
        BundleError: When the folder cannot be written.
    """
    parts = {name: part_of(folder / name) for name in (*FILES, MANIFEST)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, state in tensors.items():
            plain = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
            save_file(plain, parts[name], metadata={"format": "pt"})
        parts[CONFIG].write_text(json_text(config), encoding="utf-8")
        hashes = {name: content_hash(parts[name]) for name in FILES}
        content = {"format": FORMAT, **manifest, "files": hashes}
        parts[MANIFEST].write_text(json_text(content), encoding="utf-8")
        for name, part in parts.items():
            part.replace(folder / name)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"{folder} - cannot be written - {error} - free some space or choose another folder"
        ) from error
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    return folder
