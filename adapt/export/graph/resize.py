"""Pillow's resizing in tensors, so that it can be a part of an exported graph.

Pillow resizes 8-bit images in whole numbers: each weight is rounded to 22 binary places, each pass
(first across, then down) to a byte. Sums of such products are exact in float64, so that the same
numbers come out here, byte for byte. The weights of a pass are a matrix (`size`, input length)
that is made from the lengths alone; cutting and padding are rows that are left out or empty.
"""

import PIL
import torch
from torch import Tensor

from adapt.data.decoding.preprocessing import WIDEST, Preprocessing

BITS = 22
"""Binary places of a weight: 32, less 8 for the pixel and 2 for the sum."""
SUPPORT = {"bicubic": 2.0, "bilinear": 1.0}
"""How far a filter reaches, in pixels of the smaller image."""
NEW_ORDER = int(PIL.__version__.partition(".")[0]) >= 13
"""Since version 13 Pillow goes down first where that leaves fewer pixels for the second pass."""


def resized(pixels: Tensor, own: Preprocessing) -> Tensor:
    """What `Preprocessing.pixels` makes of images that have one shape.

    Args:
        pixels: uint8 (B, H, W, 3).
        own: How images are resized.

    Returns:
        float64 (B, size, size, 3) of whole numbers from 0 to 255.

    Example:
        >>> own = Preprocessing(2, [0, 0, 0], [1, 1, 1])
        >>> resized(torch.full((1, 4, 6, 3), 7, dtype=torch.uint8), own)[0, :, :, 0].tolist()
        [[7.0, 7.0], [7.0, 7.0]]
    """
    rows, columns = torch.arange(pixels.shape[1]), torch.arange(pixels.shape[2])
    height, width = rows[-1] + 1, columns[-1] + 1
    used = height, width
    if own.resize_mode == "shortest":  # the ends of very wide images are cut first
        longest = WIDEST * torch.minimum(height, width)
        used = torch.minimum(height, longest), torch.minimum(width, longest)
    before = [
        torch.div(a - b, 2, rounding_mode="floor")
        for a, b in zip((height, width), used, strict=True)
    ]
    down = _weights(rows - before[0], *used, own)
    across = _weights(columns - before[1], *used[::-1], own)
    parts = (pixels.to(torch.float64), down, across)
    tall = _down_first(*used, own)
    values: Tensor
    if torch.compiler.is_compiling():
        values = torch.cond(tall, _down_and_across, _across_and_down, parts)
    else:
        values = (_down_and_across if tall else _across_and_down)(*parts)
    if own.resize_mode != "longest":
        return values
    inside = (down.sum(1) > 0)[:, None] & (across.sum(1) > 0)[None]
    return torch.where(inside[None, :, :, None], values, float(own.fill_color))


def _across_and_down(values: Tensor, down: Tensor, across: Tensor) -> Tensor:
    values = _byte(torch.einsum("ow,bhwc->bhoc", across, values))
    return _byte(torch.einsum("oh,bhwc->bowc", down, values)).contiguous()


def _down_and_across(values: Tensor, down: Tensor, across: Tensor) -> Tensor:
    values = _byte(torch.einsum("oh,bhwc->bowc", down, values))
    return _byte(torch.einsum("ow,bhwc->bhoc", across, values)).contiguous()


def _down_first(height: Tensor, width: Tensor, own: Preprocessing) -> Tensor:
    """Whether this Pillow takes the columns first: in images that are tall."""
    rows, columns = _target(height, width, own)[0], _target(width, height, own)[0]
    if NEW_ORDER:
        return (height > rows) & (height - rows > 2 * (width - columns))
    return (height > rows) & (height > 100 * width)


def _weights(places: Tensor, length: Tensor, other: Tensor, own: Preprocessing) -> Tensor:
    """The weights (size, N) of one pass, as whole numbers in float64.

    Args:
        places: Of the N inputs within what is used of this side; those outside count nothing.
        length: Inputs that are used.
        other: The same of the other side.
        own: How images are resized.
    """
    after, first = _target(length, other, own)
    positions = torch.arange(own.size) + first
    scale = length.double() / after.double()
    stretch = torch.clamp(scale, min=1.0)
    reach = SUPPORT[own.interpolation] * stretch
    centre = (positions.double() + 0.5) * scale
    lowest = torch.clamp(torch.trunc(centre - reach + 0.5), min=0.0)
    highest = torch.minimum(torch.trunc(centre + reach + 0.5), length.double())
    inputs = places.double()[None]
    distance = (inputs - centre[:, None] + 0.5) * (1.0 / stretch)
    inside = (inputs >= lowest[:, None]) & (inputs < highest[:, None])
    inside = inside & ((positions >= 0) & (positions < after))[:, None]
    raw = torch.where(inside, _filter(distance, own.interpolation), 0.0)
    total = raw.sum(1, keepdim=True)
    share = raw * torch.where(total == 0.0, 1.0, 1.0 / total)
    scaled = share * float(2**BITS)
    return torch.trunc(scaled + torch.where(scaled < 0, -0.5, 0.5))


def _target(length: Tensor, other: Tensor, own: Preprocessing) -> tuple[Tensor, Tensor]:
    """To how many pixels a side is resized, and where the square begins in these."""
    size = own.size
    if own.resize_mode == "squash":
        return torch.full_like(length, size), torch.zeros_like(length)
    if own.resize_mode == "shortest":
        after = torch.div(own.shorter * length, torch.minimum(length, other), rounding_mode="floor")
        # A half is rounded to the even number, as torchvision's `round` does.
        return after, torch.round((after - size).double() / 2).long()
    ratio = torch.maximum(length, other).double() / size
    after = torch.clamp(torch.round(length.double() / ratio), min=1.0).long()
    return after, -torch.div(size - after, 2, rounding_mode="floor")


def _filter(x: Tensor, name: str) -> Tensor:
    """Pillow's filters: a triangle, or Keys's cubic with a = -0.5."""
    x = x.abs()
    if name == "bilinear":
        return torch.clamp(1.0 - x, min=0.0)
    a = -0.5
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return torch.where(x < 1.0, near, torch.where(x < 2.0, far, 0.0))


def _byte(sums: Tensor) -> Tensor:
    """Sums of products with weights, rounded and clipped."""
    return torch.clamp(torch.floor((sums + 2.0 ** (BITS - 1)) / 2.0**BITS), 0.0, 255.0)
