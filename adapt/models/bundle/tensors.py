"""Tensors in safetensors files: written with the modes of other files, read with limits."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapt.errors import BundleError, one_line

MOST = 100_000
"""Tensors in one file; the largest CLIP has some thousands."""
AGAIN = "copy the whole folder again"


def save_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors that share no memory; other users may read the file as they may any other."""
    path.touch()
    modes = path.stat().st_mode
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    save_file(plain, path, metadata={"format": "pt"})
    path.chmod(modes)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a file; its tensors are mapped, not copied.

    Raises:
        BundleError: When it is damaged, or has more tensors than any model.
    """
    try:
        with safe_open(path, "pt") as file:
            count = len(file.keys())
        if count > MOST:
            raise BundleError(f"{path} - too many tensors - {count}, at most {MOST} - {AGAIN}")
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{path} - damaged weights - {one_line(error)} - {AGAIN}") from error


def weights_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and bytes of a state dict, in name order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(
            state[name].detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
        )
    return digest.hexdigest()
