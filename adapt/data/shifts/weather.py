"""Weather shifts, after ImageNet-C (Hendrycks & Dietterich, arXiv:1903.12261).

Frost is grown here, since the paper pastes photographs that cannot be shipped.
"""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from adapt.data.shifts.tools import (
    FloatImage,
    Shape,
    cloud,
    convolve,
    gaussian,
    motion_kernel,
    plasma,
    reference_shape,
    resize,
    scale_of,
    shift,
)

Random = np.random.Generator

ICE = (
    ((82, 109, 115, 120, 125, 129, 134, 139, 146, 155, 219), ((1.36, -100), (0.9, 31), (0.74, 69))),
    ((57, 177, 190, 198, 205, 210, 215, 220, 225, 231, 254), ((0.97, 0), (1.01, -3), (1.03, 2))),
    ((57, 177, 190, 198, 205, 210, 215, 220, 225, 231, 254), ((0.97, 0), (1.01, -3), (1.03, 2))),
    ((23, 116, 130, 138, 145, 152, 159, 165, 173, 186, 254), ((0.98, -12), (0.98, 4), (1.03, 8))),
    ((26, 71, 86, 98, 108, 119, 131, 144, 159, 183, 255), ((1.03, -15), (1.0, -1), (0.97, 16))),
)
"""Of the five photographs of ice that the paper's code draws from (the second and third are alike):
deciles of their brightness, and slope and level of red, green and blue as functions of it."""


def _flakes(shape: Shape, severity: int, generator: Random) -> FloatImage:
    """Falling flakes as one channel of shape (H, W)."""
    mean, size, least, radius, sigma = (
        (0.1, 3.0, 0.5, 10, 4),
        (0.2, 2.0, 0.5, 12, 4),
        (0.55, 4.0, 0.9, 12, 8),
        (0.55, 4.5, 0.85, 12, 8),
        (0.55, 2.5, 0.85, 12, 12),
    )[severity - 1]
    scale = scale_of(shape)
    grid = [math.ceil(side / max(1.0, size * scale)) for side in shape]
    layer = resize(generator.normal(mean, 0.3, grid).astype(np.float32), shape)
    layer = np.where(layer < least, np.float32(0), np.minimum(layer, 1))
    degrees = generator.uniform(-135, -45)
    # The paper's tool draws a trail of twice the radius.
    kernel = motion_kernel(2 * radius * scale, sigma * scale, degrees)
    return convolve(layer, kernel, cv2.BORDER_REPLICATE)


@shift("snow")
def _snow(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Flakes in front of a whitened picture."""
    shape = (image.shape[0], image.shape[1])
    layer = resize(_flakes(reference_shape(shape), severity, generator), shape)
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.float32)[..., None]
    kept = np.float32((0.8, 0.7, 0.7, 0.65, 0.55)[severity - 1])
    whitened = kept * image + (1 - kept) * np.maximum(image, grey * 1.5 + 0.5)
    return np.asarray(whitened + (layer + layer[::-1, ::-1])[..., None], dtype=np.float32)


def _needles(shape: Shape, generator: Random) -> FloatImage:
    """Ice needles in about the six directions in which ice grows, from 0 to 1, shape (H, W)."""
    scale, first = scale_of(shape), generator.uniform(0, 60)
    total = np.zeros(shape, np.float32)
    for turn in range(6):
        seeds = (generator.random(shape) < 0.004 / scale).astype(np.float32)
        length = float(generator.uniform(8, 28)) * scale
        degrees = first + 60 * turn + generator.uniform(-15, 15)
        total += convolve(seeds, motion_kernel(length, length / 2, degrees)) * length
    return np.clip(total, 0, 1)


def _brightness_of_ice(field: FloatImage, levels: Sequence[float]) -> FloatImage:
    """The field with the deciles of brightness of a photograph, its order kept."""
    order = field.ravel().argsort(kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = (np.arange(len(order)) + 0.5) / len(order)
    deciles = np.linspace(0, 1, len(levels))
    return np.interp(ranks, deciles, levels).reshape(field.shape).astype(np.float32)


@shift("frost")
def _frost(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Ice on the window: needles and haze, thicker at the edges and in patches.

    The paper adds photographs of ice. Here ice is grown, and has the brightness and the tint of one
    of them.
    """
    kept, added = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    shape = (image.shape[0], image.shape[1])
    small = reference_shape(shape)
    rows, columns = (abs(np.linspace(-1, 1, side)) for side in small)
    edge = np.maximum(rows[:, None], columns[None, :]) ** 2
    patches = np.clip(cloud(small, 1.8, generator) * 1.2 + 0.5 * edge - 0.4, 0, 1)
    ridges = 1 - abs(2 * cloud(small, 1.5, generator) - 1)
    crystals = 0.2 + 0.6 * _needles(small, generator) + 0.4 * ridges**6
    grown = gaussian((patches * crystals).astype(np.float32), 0.4 * scale_of(small))
    grown += np.float32(1e-3) * cloud(small, 1.2, generator)  # no large area of one brightness
    levels, tint = ICE[int(generator.integers(len(ICE)))]
    ice = resize(_brightness_of_ice(grown, levels), shape)[..., None]
    slope, level = np.array(tint, np.float32).T
    return np.asarray(kept * image + added * np.clip(ice * slope + level, 0, 255) / 255, np.float32)


@shift("fog")
def _fog(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Clouds over the picture, which take its contrast."""
    thickness, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[severity - 1]
    shape = (image.shape[0], image.shape[1])
    haze = resize(plasma(reference_shape(shape), decay, generator), shape)[..., None]
    brightest = np.float32(max(float(image.max()), 1 / 255))
    hidden = (image + np.float32(thickness) * haze) * (brightest / (brightest + thickness))
    return np.asarray(hidden, dtype=np.float32)


@shift("spatter")
def _spatter(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Drops of water on the lens at severities 1 to 3, mud at 4 and 5."""
    mean, deviation, sigma, least, strength = (
        (0.65, 0.3, 4, 0.69, 0.6),
        (0.65, 0.3, 3, 0.68, 0.6),
        (0.65, 0.3, 2, 0.68, 0.5),
        (0.65, 0.3, 1, 0.65, 1.5),
        (0.67, 0.4, 1, 0.65, 1.5),
    )[severity - 1]
    shape = (image.shape[0], image.shape[1])
    small = reference_shape(shape)
    scale = scale_of(small)
    noise = generator.normal(0, deviation, small).astype(np.float32)
    # Less blur leaves more noise: taken back, so that a small picture has as many drops.
    liquid = mean + gaussian(noise, sigma * scale) * np.float32(min(1, scale))
    if severity <= 3:
        layer = resize(_drops(np.where(liquid < least, 0, liquid), strength), shape)[..., None]
        return np.asarray(image + layer * np.array([175, 238, 238]) / 255, dtype=np.float32)
    mud = gaussian((liquid > least).astype(np.float32), strength * scale)
    layer = resize(np.where(mud < 0.8, np.float32(0), mud), shape)[..., None]
    return np.asarray(image * (1 - layer) + layer * np.array([63, 42, 20]) / 255, np.float32)


def _drops(liquid: npt.NDArray[Any], strength: float) -> FloatImage:
    """Light in drops: bright where they are thick, shaded at their rims, at most `strength`."""
    inked = np.asarray(liquid * 255, dtype=np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(inked, 50, 150), cv2.DIST_L2, 5)
    near = np.asarray(cv2.blur(np.minimum(distance, 20), (3, 3)), dtype=np.uint8)
    slant = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
    relief = cv2.blur(cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, slant), (3, 3))
    light = inked * np.asarray(relief, dtype=np.float32)
    return np.asarray(light * (strength / max(float(light.max()), 1e-9)), dtype=np.float32)
