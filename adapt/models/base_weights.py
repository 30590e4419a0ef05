"""The pretrained weights that a delta changes, looked for on this machine alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from adapt.common.typed import resolve_path
from adapt.errors import AdaptError, BundleError, one_line
from adapt.models.backbones import load_backbone
from adapt.models.building.libraries import offline
from adapt.models.bundle.delta import restored
from adapt.models.bundle.manifest import DELTA
from adapt.models.bundle.read import Bundle, read_bundle
from adapt.models.bundle.tensors import weights_hash
from adapt.models.weight_files import check_weights_file

State = Mapping[str, Tensor]


def read_whole(folder: str | Path, base: str | Path | None = None) -> Bundle:
    """Read a bundle; a delta gets its encoders again.

    Args:
        folder: The bundle.
        base: See `base_weights`; not looked at where the bundle has encoders.

    Raises:
        BundleError: See `read_bundle`, `base_weights` and `restored`.
    """
    bundle = read_bundle(resolve_path(folder))
    if DELTA not in bundle.tensors:
        return bundle
    return restored(bundle, folder, base_weights(bundle.manifest, base))


def base_weights(manifest: Mapping[str, Any], base: str | Path | None = None) -> State:
    """The pretrained weights that a bundle started from; the network is not asked.

    Args:
        manifest: Of the bundle.
        base: A `.safetensors` file, or a folder with `open_clip_config.json` and such a file; by
            default the name that the bundle's model was once loaded by.

    Raises:
        BundleError: When they are not on this machine, or are others.
    """
    arch, given = str(manifest["arch"]), str(base or manifest["pretrained"])
    advice = "name the file or folder of the pretrained weights: --base"
    try:
        state = _at_hand(arch, given, None if base is None else resolve_path(base))
    except (AdaptError, SafetensorError, OSError) as error:
        raise BundleError(
            f"{arch} - its pretrained weights are not at hand - {one_line(error)} - {advice}"
        ) from error
    if (own := weights_hash(state)) != manifest["base_hash"]:
        raise BundleError(
            f"{given} - not the weights that the model started from - hash {own[:12]}, wanted "
            f"{manifest['base_hash'][:12]} - {advice}"
        )
    return state


def _at_hand(arch: str, pretrained: str, base: Path | None) -> State:
    """Weights from a file, a folder, or where a model of that name is read from."""
    if base is not None and base.is_file():
        check_weights_file(base)
        state = load_file(base)
        return {n: v.float() if v.is_floating_point() else v for n, v in state.items()}
    if base is not None and not base.is_dir():
        raise BundleError(f"{base} - not found - neither a file nor a folder - check the path")
    arch = arch if base is None else f"local-dir:{base}"
    with offline():
        return dict(load_backbone(arch, pretrained).model.state_dict())
