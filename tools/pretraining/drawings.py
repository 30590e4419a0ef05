"""Colours and placement for drawings with transparency, drawn anew for every batch.

A drawing is five layers, (5, H, W) in 0..255: premultiplied red, green and blue, alpha, and the
area its lines enclose. Line icons have no colour of their own, so training gives them one, fills
what they enclose, and puts them on a background; without it a model learns black on white only.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def random_colours(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Colours (count, 3, 1, 1) whose brightness lies in `[low, high]`.

    >>> colours = random_colours(4, 0.7, 1.0, torch.Generator().manual_seed(0))
    >>> colours.shape, bool((colours.mean(1) >= 0.69).all())
    (torch.Size([4, 3, 1, 1]), True)
    """
    hue = torch.rand(count, 3, generator=generator)
    level = low + (high - low) * torch.rand(count, 1, generator=generator)
    room = torch.minimum(level, 1 - level)
    spread = hue - hue.mean(1, keepdim=True)
    spread = spread / spread.abs().amax(1, keepdim=True).clamp_min(1e-6)
    strength = torch.rand(count, 1, generator=generator)
    return (level + spread * room * strength).clamp(0, 1)[:, :, None, None]


def _draw(count: int, probability: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) < probability)[:, None, None, None]


def colourise(drawings: Tensor, colour: Tensor, plain: float, generator: torch.Generator) -> Tensor:
    """Composite drawings into opaque RGB images.

    Args:
        drawings: Layers in 0..1, shape (B, 5, H, W).
        colour: Whether a drawing brings its own colours, shape (B,) bool.
        plain: Fraction of the images left as dark ink or own colours on white.
        generator: Source of randomness.

    Returns:
        Images in 0..1, shape (B, 3, H, W).
    """
    count = len(drawings)
    own, alpha, inside = drawings[:, :3], drawings[:, 3:4], drawings[:, 4:5]
    light = random_colours(count, 0.65, 1.0, generator)
    dark = random_colours(count, 0.0, 0.4, generator)
    filling = random_colours(count, 0.35, 0.9, generator)
    white = torch.ones(count, 3, 1, 1)
    is_plain = _draw(count, plain, generator)
    inverted = _draw(count, 0.2, generator) & ~is_plain
    ink = torch.where(is_plain, torch.zeros_like(white), torch.where(inverted, light, dark))
    ground = torch.where(is_plain | _draw(count, 0.5, generator) & ~inverted, white, light)
    ground = torch.where(inverted & ~colour[:, None, None, None], dark, ground)
    filled = _draw(count, 0.6, generator) & ~is_plain
    ground = torch.where(filled, ground * (1 - inside) + filling * inside, ground)
    ink = torch.where(colour[:, None, None, None], own, ink * alpha)
    return ground * (1 - alpha) + ink


def vary_light(images: Tensor, generator: torch.Generator) -> Tensor:
    """Change contrast and brightness; make one image in eight grey."""
    count = len(images)
    contrast = 0.7 + 0.6 * torch.rand(count, 1, 1, 1, generator=generator)
    shift = 0.2 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    grey = images.mean(1, keepdim=True).expand_as(images)
    images = torch.where(_draw(count, 0.125, generator), grey, images)
    return ((images - 0.5) * contrast + 0.5 + shift).clamp(0, 1)


def place(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Rotate, scale, stretch and move each drawing; what enters from outside is transparent.

    Args:
        images: Shape (B, C, H, W).
        strength: 0 leaves them as they are; 1 gives up to 15 degrees, 25 % scale, 10 % shift.
        generator: Source of randomness.
    """
    count = len(images)
    signed = 2 * torch.rand(6, count, generator=generator) - 1
    angle = signed[0] * 0.26 * strength
    scale_x = torch.exp(signed[1] * 0.22 * strength + signed[5] * 0.08 * strength)
    scale_y = torch.exp(signed[1] * 0.22 * strength - signed[5] * 0.08 * strength)
    cos, sin = torch.cos(angle), torch.sin(angle)
    shift = signed[2:4] * 0.2 * strength
    matrix = torch.stack(
        [
            torch.stack([cos * scale_x, -sin * scale_y, shift[0]], 1),
            torch.stack([sin * scale_x, cos * scale_y, shift[1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False, padding_mode="zeros")
