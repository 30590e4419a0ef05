"""Weights in less space without losing a bit: the bytes of sign and exponent, compressed.

Of the four bytes of a float32 weight the highest takes few of its 256 values, since weights of one
layer are alike in size; the other three look like noise and are stored as they are. That saves a
sixth of a CLIP.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adapt.common.arrays import ByteArray
from adapt.errors import BundleError
from adapt.models.bundle.tensors import load_tensors, save_tensors

HIGH, LOW, PLAIN = "high/", "low/", "plain/"
AGAIN = "copy the whole folder again"


def save_packed(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict in less space.

    Args:
        state: Tensors by name; those of another type than float32 are stored as they are.
        path: A `.safetensors` file.
    """
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.dtype != torch.float32 or value.ndim == 0:
            packed[PLAIN + name] = value
            continue
        own = np.ascontiguousarray(value.detach().cpu().numpy(), dtype="<f4")
        planes = own.reshape(-1).view(np.uint8).reshape(-1, 4)
        high = bytearray(_compressed(planes[:, 3]))
        packed[HIGH + name] = torch.frombuffer(high, dtype=torch.uint8)
        low = np.ascontiguousarray(planes[:, :3]).reshape(*own.shape, 3)
        packed[LOW + name] = torch.from_numpy(low)
    save_tensors(packed, path)


def _compressed(values: ByteArray) -> bytes:
    """Codes of fewer bits for the values that are more frequent: there is nothing else to find."""
    writer = zlib.compressobj(1, strategy=zlib.Z_HUFFMAN_ONLY)
    return writer.compress(np.ascontiguousarray(values).tobytes()) + writer.flush()


def load_packed(path: Path) -> dict[str, Tensor]:
    """Read what `save_packed` wrote: the same bits.

    Raises:
        BundleError: When it is damaged, or no such file.
    """
    packed, state = load_tensors(path), {}
    for name, value in packed.items():
        if name.startswith(PLAIN):
            state[name.removeprefix(PLAIN)] = value
        elif name.startswith(LOW):
            own = name.removeprefix(LOW)
            state[own] = _joined(value, packed.get(HIGH + own), path, own)
        elif not name.startswith(HIGH) or LOW + name.removeprefix(HIGH) not in packed:
            raise BundleError(f"{path} - not packed weights - {name!r:.80} - {AGAIN}")
    return state


def _joined(low: Tensor, high: Tensor | None, path: Path, name: str) -> Tensor:
    shape = tuple(low.shape[:-1])
    plain = high is not None and high.dtype == low.dtype == torch.uint8 and low.shape[-1:] == (3,)
    if high is None or not plain:
        raise BundleError(f"{path} - not packed weights - {name!r:.80} - {AGAIN}")
    planes = np.empty((low.numel() // 3, 4), np.uint8)
    planes[:, :3] = low.numpy().reshape(-1, 3)
    planes[:, 3] = _unpacked(high.numpy(), len(planes), path)
    numbers = planes.reshape(-1).view("<f4").reshape(shape)
    return torch.from_numpy(numbers.astype(np.float32, copy=False))


def _unpacked(content: ByteArray, size: int, path: Path) -> ByteArray:
    """So many bytes and no more, whatever the content asks for."""
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(content.tobytes(), size + 1)
    except zlib.error as error:
        raise BundleError(f"{path} - damaged weights - {error} - {AGAIN}") from error
    if len(data) != size or not reader.eof or reader.unused_data:
        raise BundleError(f"{path} - damaged weights - {len(data)} bytes for {size} - {AGAIN}")
    return np.frombuffer(data, np.uint8)
