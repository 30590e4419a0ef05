"""Weather shifts, after ImageNet-C (Hendrycks & Dietterich, arXiv:1903.12261).

Frost is grown here, since the paper pastes photographs that cannot be shipped.
"""

import cv2
import numpy as np

from adapt.data.shifts.tools import (
    FloatImage,
    Shape,
    cloud,
    convolve,
    gaussian,
    motion_kernel,
    reference_shape,
    resize,
    scale_of,
    shift,
)

Random = np.random.Generator


def _flakes(shape: Shape, severity: int, generator: Random) -> FloatImage:
    """Falling flakes as one channel of shape (H, W)."""
    mean, size, radius, sigma = (
        (0.1, 3.0, 8, 4),
        (0.14, 2.5, 9, 4),
        (0.18, 3.5, 10, 5),
        (0.22, 3.0, 11, 5),
        (0.26, 4.0, 12, 6),
    )[severity - 1]
    scale = scale_of(shape)
    grid = [max(1, round(side / max(2.0, size * scale))) for side in shape]
    noise = generator.normal(mean, 0.3, grid).astype(np.float32)
    layer = resize(np.clip(noise, 0, 1), shape)
    layer[layer < 0.5] = 0
    degrees = generator.uniform(45, 135)
    return convolve(layer, motion_kernel(radius * scale, sigma * scale, degrees))


@shift("snow")
def _snow(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Flakes in front of a whitened picture; the paper's layers, with constants that grow."""
    shape = (image.shape[0], image.shape[1])
    layer = resize(_flakes(reference_shape(shape), severity, generator), shape)
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.float32)[..., None]
    kept = np.float32((0.9, 0.85, 0.8, 0.75, 0.65)[severity - 1])
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


@shift("frost")
def _frost(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Ice on the window: needles and bluish haze, thicker at the edges and in patches."""
    kept, added = ((0.95, 0.4), (0.85, 0.6), (0.75, 0.8), (0.65, 0.95), (0.55, 1.1))[severity - 1]
    shape = (image.shape[0], image.shape[1])
    small = reference_shape(shape)
    rows, columns = (abs(np.linspace(-1, 1, side)) for side in small)
    edge = np.maximum(rows[:, None], columns[None, :]) ** 2
    patches = np.clip(cloud(small, 1.8, generator) * 1.2 + 0.5 * edge - 0.4, 0, 1)
    ridges = 1 - abs(2 * cloud(small, 1.5, generator) - 1)
    crystals = 0.2 + 0.6 * _needles(small, generator) + 0.4 * ridges**6
    ice = gaussian((patches * crystals).astype(np.float32), 0.4 * scale_of(small))
    tint = np.array([0.88, 0.96, 1.0], np.float32)
    return np.asarray(kept * image + added * resize(ice, shape)[..., None] * tint, np.float32)


@shift("fog")
def _fog(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Bright clouds over the picture, which take its contrast; evener than the paper's."""
    thickness = np.float32((1.0, 1.5, 2.25, 3.25, 4.5)[severity - 1])
    shape = (image.shape[0], image.shape[1])
    haze = 0.4 + 0.6 * resize(cloud(reference_shape(shape), 1.8, generator), shape)[..., None]
    brightest = np.float32(max(float(image.max()), 1 / 255))
    hidden = (image + thickness * haze) * (brightest / (brightest + thickness))
    return np.asarray(hidden, dtype=np.float32)
