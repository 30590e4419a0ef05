"""From arrays and tensors to 8-bit pixels. No scale is guessed: a type says what its numbers mean.

- `bool` becomes 0 and 255; `uint8` stays; `uint16` is divided by 257 and rounded.
- Floats are read as 0 to 1. Up to `OVERSHOOT` beyond, as resizing leaves it, is clipped.
- Every other type or range is refused, and the message says how to convert it: whether 3 of an
  `int64` is nearly black or nearly white cannot be known.

An array is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4): grey, RGB or RGBA, channels last. A tensor is
the same, or (1, H, W), (3, H, W) or (4, H, W), on any device; one that can be read both ways, such
as (3, 5, 3), is refused, since an array with the channels last says which is meant.
"""

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from adapt.common.arrays import ByteArray
from adapt.data.decoding.formats import refuse

if TYPE_CHECKING:
    from torch import Tensor

OVERSHOOT = 0.01
"""How far a float may lie outside 0 to 1: two and a half of 255 steps."""
CHANNELS = (1, 3, 4)
SHAPES = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
TENSOR_SHAPES = f"(1, H, W), (3, H, W), (4, H, W), {SHAPES}"


def is_tensor(source: object) -> "TypeGuard[Tensor]":
    """Whether this is a tensor of PyTorch, which is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.Tensor)


def array_pixels(source: "np.ndarray | Tensor", max_pixels: int) -> ByteArray:
    """Pixels (H, W), (H, W, 3) or (H, W, 4) of an array or a tensor; see the module.

    Args:
        source: The array or tensor.
        max_pixels: Largest height times width.

    Raises:
        ImageError: When type, shape, size or range do not fit.

    >>> array_pixels(np.array([[0.0, 0.5, 1.0001]]), 10)
    array([[  0, 128, 255]], dtype=uint8)
    """
    name = "<tensor>" if is_tensor(source) else "<array>"
    values = _tensor_values(source) if is_tensor(source) else np.asanyarray(source)
    if isinstance(values, np.ma.MaskedArray):
        advice = "fill the masked values with .filled(...)"
        raise refuse(name, "a masked array", f"shape {values.shape}", advice)
    height, width = (*values.shape, 0, 0)[:2]
    if values.size == 0:
        raise refuse(name, "has no pixels", f"shape {values.shape}", "give an image with content")
    if values.ndim != 2 and not (values.ndim == 3 and values.shape[2] in CHANNELS):
        raise refuse(name, "not the shape of an image", f"shape {values.shape}", _advice(values))
    if height * width > max_pixels:
        given = f"{width} x {height} = {width * height} pixels"
        advice = f"make it smaller than {max_pixels} pixels, or raise max_pixels if you trust it"
        raise refuse(name, "too many pixels", given, advice)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    return np.ascontiguousarray(to_uint8(values, name))


def _advice(values: np.ndarray) -> str:
    if values.ndim == 4:
        return "give a list of images, or one of the batch"
    if values.ndim == 3 and values.shape[0] in CHANNELS:
        return "put the channels last: array.transpose(1, 2, 0)"
    return f"give {SHAPES}"


def _tensor_values(tensor: "Tensor") -> np.ndarray:
    """The values of a tensor on the CPU, channels last."""
    shape = tuple(tensor.shape)
    if tensor.layout is not sys.modules["torch"].strided or tensor.is_quantized or tensor.is_meta:
        given = f"{tensor.dtype} of shape {shape}, {tensor.layout}"
        raise refuse("<tensor>", "not a plain tensor", given, "give a dense one with values")
    if tensor.ndim == 3:
        first, last = (shape[place] in CHANNELS for place in (0, 2))
        if first and last:
            advice = "put the channels last and give it as an array: tensor.numpy()"
            given = f"shape {shape} is channels first or last"
            raise refuse("<tensor>", "not clear which side is channels", given, advice)
        tensor = tensor.permute(1, 2, 0) if first else tensor
    if tensor.ndim not in (2, 3) or (tensor.ndim == 3 and tensor.shape[2] not in CHANNELS):
        advice = f"give {TENSOR_SHAPES}"
        if tensor.ndim == 4:
            advice = "give the tensors of the batch as a list, or the batch to predict"
        raise refuse("<tensor>", "not the shape of an image", f"shape {shape}", advice)
    values = tensor.detach().cpu()
    # NumPy knows no bfloat16 and no 8-bit floats.
    plain: np.ndarray = (values.float() if values.is_floating_point() else values).numpy()
    return plain


def to_uint8(values: np.ndarray, name: str = "<array>") -> ByteArray:
    """Brightness values as 0 to 255; see the module.

    Args:
        values: Array of any shape, not empty.
        name: What to call it in messages.

    Raises:
        ImageError: When a value is NaN or infinite, or type or range are not known ones.
    """
    kind = (values.dtype.kind, values.dtype.itemsize)
    if kind == ("b", 1):
        return np.where(values, 255, 0).astype(np.uint8)
    if kind == ("u", 1):
        return values
    if kind == ("u", 2):
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if kind[0] == "f":
        return _unit_floats(values, name)
    known = "bool, uint8, uint16, or floats from 0 to 1"
    if kind[0] in "iu":
        raise refuse(name, "not a known scale", _span(values), _integer_advice(values))
    raise refuse(name, "not brightness values", f"type {values.dtype}", f"give {known}")


def _unit_floats(values: np.ndarray, name: str) -> ByteArray:
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low) or not np.isfinite(high):
        advice = "replace them before"
        raise refuse(name, "holds NaN or infinite values", f"type {values.dtype}", advice)
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        advice = "give floats from 0 to 1"
        if low < -OVERSHOOT:
            advice += ", before they are normalised"
        elif high <= 255:
            advice += ": divide by 255 if that is white"
        raise refuse(name, "not a known scale", _span(values), advice)
    # As float32 at least: a half-precision float has no 255.5.
    wide = values.astype(np.result_type(values.dtype, np.float32), copy=False)
    scaled: ByteArray = np.floor(np.clip(wide, 0, 1) * 255 + 0.5).astype(np.uint8)
    return scaled


def _span(values: np.ndarray) -> str:
    return f"{values.dtype} from {values.min():.6g} to {values.max():.6g}"


def _integer_advice(values: np.ndarray) -> str:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        return "bring it to uint8 or uint16, or to floats from 0 to 1"
    ways: list[Any] = ["array.astype(numpy.uint16) if 65535 is white"]
    if high <= 255:
        ways.insert(0, "array.astype(numpy.uint8) if 255 is white")
    return ", ".join(ways)
