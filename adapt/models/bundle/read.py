"""Reading a bundle: every file is checked against its hash before anything is built from it."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from adapt.common.content import content_hash
from adapt.errors import BundleError
from adapt.models.bundle.manifest import (
    CONFIG,
    COPY,
    ENCODERS,
    FILES,
    HEAD,
    MANIFEST,
    PROBE,
    read_manifest,
    read_mapping,
)


def read_bundle(
    folder: Path,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Read and check a bundle.

    Returns:
        The open_clip config, the manifest, and the state dicts by file name.

    Raises:
        BundleError: Not a bundle, from a newer version, or a file is missing, altered or damaged.
    """
    manifest = read_manifest(folder)
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path} - missing - {MANIFEST} lists it - {COPY}")
        if content_hash(path) != manifest["files"].get(name):
            raise BundleError(
                f"{path} - altered - its hash is not the one in {MANIFEST} - copy it again"
            )
    try:
        tensors = {name: load_file(folder / name) for name in (ENCODERS, HEAD, PROBE)}
    except SafetensorError as error:
        raise BundleError(f"{folder} - damaged weights - {error} - {COPY}") from error
    return read_mapping(folder / CONFIG), manifest, tensors
