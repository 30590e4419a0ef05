"""Two images of a batch in one: mixup (arXiv:1710.09412) and cutmix (arXiv:1905.04899)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Box = tuple[int, int, int, int]
"""Top, bottom, left, right in pixels; bottom and right are outside."""


@dataclass(frozen=True)
class Mix:
    """How the images of one batch are mixed."""

    order: np.ndarray
    """Partner of each image, a permutation (B,)."""
    fraction: float
    """What an image keeps of its own label."""
    box: Box | None
    """What cutmix takes from the partner; None for mixup, which blends all pixels."""


def draw_mix(mixup: float, cutmix: float, shape: tuple[int, int, int], key: Sequence[int]) -> Mix:
    """Choose partners, fraction and box of one batch.

    The fraction comes from Beta(alpha, alpha). With cutmix it is then what the box really leaves,
    since a box around a point near the edge is cut off. With both, one is taken at random.

    Args:
        mixup: Its alpha; 0 is off.
        cutmix: Its alpha; 0 is off. One of them is above 0.
        shape: Images in the batch, height, width.
        key: Whole numbers from 0, such as seed, epoch, step and process; they decide alone.

    >>> draw_mix(0.2, 0, (4, 8, 8), (0, 1, 2)).box is None
    True
    """
    count, height, width = shape
    # Apart from the seeds of augmentation, which are made of like numbers.
    random = np.random.default_rng(np.random.SeedSequence(list(key), spawn_key=(1,)))
    cut = cutmix > 0 and (mixup == 0 or random.random() < 0.5)
    alpha = cutmix if cut else mixup
    fraction, order = float(random.beta(alpha, alpha)), random.permutation(count)
    if not cut:
        return Mix(order, fraction, None)
    side = np.sqrt(1 - fraction)
    row, column = int(random.integers(height)), int(random.integers(width))
    top, bottom = _around(row, int(height * side), height)
    left, right = _around(column, int(width * side), width)
    fraction = 1 - (bottom - top) * (right - left) / (height * width)
    return Mix(order, fraction, (top, bottom, left, right))


def _around(centre: int, length: int, end: int) -> tuple[int, int]:
    return max(centre - length // 2, 0), min(centre + length // 2, end)


def apply_mix(mix: Mix, pixels: Tensor, targets: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The mixed images and how much of each class is in them.

    Args:
        mix: Of this batch.
        pixels: Images (B, 3, H, W); they stay as they are.
        targets: Class numbers (B,).
        classes: Number of classes K.

    Returns:
        Images (B, 3, H, W), and fractions (B, K) in float32, each row adding up to 1.
    """
    order = torch.from_numpy(mix.order).to(pixels.device)
    own = F.one_hot(targets, classes).float()
    fractions = mix.fraction * own + (1 - mix.fraction) * own[order]
    if mix.box is None:
        return mix.fraction * pixels + (1 - mix.fraction) * pixels[order], fractions
    top, bottom, left, right = mix.box
    mixed = pixels.clone()
    mixed[:, :, top:bottom, left:right] = pixels[order, :, top:bottom, left:right]
    return mixed, fractions
