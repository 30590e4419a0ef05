"""What the synthetic shifts share: their registry, their scale, and the fields they draw.

The constants of ImageNet-C (arXiv:1903.12261) are for pictures of 224 pixels. Lengths here grow
and shrink with the shorter side; below a third of 224 they stay, so that a shift is still seen at
48 pixels. Noise and JPEG blocks keep the grain they have at 224 in larger pictures, where noise of
one pixel would vanish as soon as a model resizes its input, and get weaker in smaller ones, where
one pixel is a larger part of the object.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

REFERENCE = 224
_SMALLEST_SCALE = 1 / 3

UintImage = npt.NDArray[np.uint8]
FloatImage = npt.NDArray[np.float32]
Shape = tuple[int, int]
ShiftFunction = Callable[[UintImage, int, np.random.Generator], UintImage]
Inner = Callable[[FloatImage, int, np.random.Generator], FloatImage]

SHIFTS: dict[str, ShiftFunction] = {}


def shift(kind: str) -> Callable[[Inner], Inner]:
    """Enter a shift under its name, wrapped to take and return uint8 pixels.

    Args:
        kind: The name in recipes. The decorated function gets float32 pixels from 0 to 1 of shape
            (H, W, 3), the severity (1 to 5) and a generator; its result is clipped to 0 .. 1.

    Returns:
        A decorator that leaves the function as it is.

    Raises:
        KeyError: When the name is taken.
    """

    def enter(inner: Inner) -> Inner:
        if kind in SHIFTS:
            raise KeyError(f"shift {kind!r} - registered twice - {inner.__name__} - rename one")

        def change(image: UintImage, severity: int, generator: np.random.Generator) -> UintImage:
            return to_bytes(inner(image.astype(np.float32) / np.float32(255), severity, generator))

        change.__doc__ = inner.__doc__  # what `adapt list shifts` shows
        SHIFTS[kind] = change
        return inner

    return enter


def to_bytes(image: npt.NDArray[np.floating[Any]]) -> UintImage:
    """Round pixels from 0 .. 1 (clipped) to 0 .. 255.

    >>> to_bytes(np.array([-1.0, 0.5, 2.0], np.float32)).tolist()
    [0, 128, 255]
    """
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), dtype=np.uint8)


def scale_of(shape: Shape) -> float:
    """Length of a 224-pixel picture's pixel in a picture of shape (H, W), at least 1/3.

    >>> scale_of((448, 600)), round(scale_of((48, 48)), 2)
    (2.0, 0.33)
    """
    return max(min(shape[:2]) / REFERENCE, _SMALLEST_SCALE)


def strength_of(shape: Shape) -> float:
    """Factor on the variance of noise in a picture of shape (H, W): 1 from 224 pixels on.

    >>> strength_of((448, 600)), strength_of((112, 112))
    (1.0, 0.5)
    """
    return min(scale_of(shape), 1.0)


def reference_shape(shape: Shape) -> Shape:
    """Shape (H, W) divided by the whole number that brings the shorter side nearest to 224.

    >>> reference_shape((448, 600)), reference_shape((50, 60))
    ((224, 300), (50, 60))
    """
    grain = max(1, round(min(shape[:2]) / REFERENCE))
    return -(-shape[0] // grain), -(-shape[1] // grain)


def resize(image: FloatImage, shape: Shape, interpolation: int = cv2.INTER_LINEAR) -> FloatImage:
    """Resize to (H, W), which is the order of numpy and not of OpenCV.

    >>> resize(np.zeros((4, 6, 3), np.float32), (2, 5)).shape
    (2, 5, 3)
    """
    resized = cv2.resize(image, (shape[1], shape[0]), interpolation=interpolation)
    return np.asarray(resized, dtype=np.float32)


def at_reference_size(image: FloatImage, change: Callable[[FloatImage], FloatImage]) -> FloatImage:
    """Make a change at about 224 pixels and add its difference to the full picture.

    Args:
        image: Shape (H, W, 3), float32.
        change: From a picture to the changed one of the same shape.

    Returns:
        Shape (H, W, 3), in blocks of several pixels where the picture is large.
    """
    shape = (image.shape[0], image.shape[1])
    if reference_shape(shape) == shape:
        return change(image)
    small = resize(image, reference_shape(shape), cv2.INTER_AREA)
    return image + resize(change(small) - small, shape, cv2.INTER_NEAREST_EXACT)


def convolve(
    image: FloatImage, kernel: FloatImage, border: int = cv2.BORDER_REFLECT_101
) -> FloatImage:
    """Filter each channel with a kernel, mirrored at the borders or with OpenCV's other `border`.

    >>> float(convolve(np.ones((5, 5), np.float32), np.full((3, 3), 1 / 9, np.float32)).mean())
    1.0
    """
    filtered = cv2.filter2D(image, -1, kernel, borderType=border)
    return np.asarray(filtered, dtype=np.float32)


def gaussian(image: FloatImage, sigma: float) -> FloatImage:
    """Gaussian blur with a standard deviation in pixels, mirrored at the borders.

    >>> bool(np.allclose(gaussian(np.ones((4, 4), np.float32), 1.5), 1))
    True
    """
    size = 2 * max(1, round(4 * sigma)) + 1
    blurred = cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, dtype=np.float32)


def disk_kernel(radius: float) -> FloatImage:
    """Disk with soft edges, the picture of a point out of focus; sums to 1.

    >>> disk_kernel(1.0).shape
    (5, 5)
    """
    reach = int(np.ceil(radius + 0.5))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1)
    return np.asarray(disk / disk.sum(), dtype=np.float32)


def motion_kernel(radius: float, sigma: float, degrees: float) -> FloatImage:
    """Trail from the centre outwards, fading as a half Gaussian; sums to 1.

    Args:
        radius: Length of the trail in pixels.
        sigma: Standard deviation of the fading in pixels.
        degrees: Direction of the trail, 0 is along a row.

    Returns:
        Shape (2R + 1, 2R + 1) with R the radius rounded up, plus 1.
    """
    reach = int(np.ceil(radius)) + 1
    steps = np.arange(int(radius) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    turns = (trig(np.deg2rad(degrees)) for trig in (np.sin, np.cos))
    rows, columns = (reach + np.ceil(steps * turn - 0.5).astype(int) for turn in turns)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    np.add.at(kernel, (rows, columns), weights)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def displace(image: FloatImage, down: FloatImage, right: FloatImage) -> FloatImage:
    """Take each pixel from elsewhere: (row + down, column + right), mirrored at the borders."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    moved = cv2.remap(
        image, columns + right, rows + down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, dtype=np.float32)


def smooth(field: FloatImage, sigma: float) -> FloatImage:
    """Gaussian blur of a field (H, W) whose deviation may exceed the picture, mirrored at borders.

    >>> noise = np.random.default_rng(0).uniform(-1, 1, (20, 30)).astype(np.float32)
    >>> bool(np.ptp(smooth(noise, 100.0)) < 1e-4 < np.ptp(smooth(noise, 2.0)))
    True
    """
    height, width = field.shape
    mirrored = np.pad(field, ((0, height), (0, width)), mode="symmetric")
    rows, columns = np.fft.fftfreq(2 * height)[:, None], np.fft.rfftfreq(2 * width)[None, :]
    kept = np.exp(-2 * (np.pi * sigma) ** 2 * (rows**2 + columns**2))
    blurred = np.fft.irfft2(np.fft.rfft2(mirrored) * kept, s=mirrored.shape)
    return np.asarray(blurred[:height, :width], dtype=np.float32)


def swap_neighbours(image: FloatImage, reach: float, generator: np.random.Generator) -> FloatImage:
    """Pixel by pixel, from the last to the first, take a near one in its place.

    A pixel that was taken may be one that has been replaced before, so that some travel far. The
    paper's code means to swap the two, but copies one over the other, and so does this.

    Args:
        image: Shape (H, W, 3).
        reach: Largest distance along rows and columns; below 1 only that share of pixels changes.
        generator: Where the moves come from.
    """
    height, width = image.shape[:2]
    steps = max(1, round(reach))
    first = np.arange(height - steps, steps, -1)[:, None] * width
    order = (first + np.arange(width - steps, steps, -1)[None, :]).ravel()
    down, right = generator.integers(-steps, steps, (2, len(order)))
    moves = np.where(generator.random(len(order)) < reach / steps, down * width + right, 0)
    places = list(range(height * width))
    for place, other in zip(order.tolist(), (order + moves).tolist(), strict=True):
        places[place] = places[other]
    return image.reshape(-1, image.shape[2])[places].reshape(image.shape)


def plasma(shape: Shape, decay: float, generator: np.random.Generator) -> FloatImage:
    """Clouds by the diamond-square scheme, from 0 to 1 over a square that the picture is cut from.

    Args:
        shape: (H, W).
        decay: Each halving of the step makes the noise weaker by the square of it, as in the paper.
        generator: Where the noise comes from.
    """
    step = side = 1 << max(1, max(shape) - 1).bit_length()
    field, height = np.zeros((side, side)), 1.0
    while step >= 2:
        corners = field[::step, ::step]
        noise = height * generator.uniform(-1, 1, (3, *corners.shape))
        below, beside = np.roll(corners, -1, 0), np.roll(corners, -1, 1)
        centres = (corners + below + beside + np.roll(below, -1, 1)) / 4 + noise[0]
        left = (corners + below + centres + np.roll(centres, 1, 1)) / 4 + noise[1]
        top = (corners + beside + centres + np.roll(centres, 1, 0)) / 4 + noise[2]
        half = step // 2
        field[half::step, half::step] = centres
        field[half::step, ::step], field[::step, half::step] = left, top
        step, height = half, height / decay**2
    field -= field.min()
    field /= max(float(field.max()), 1e-9)
    return np.asarray(field[: shape[0], : shape[1]], dtype=np.float32)


def cloud(shape: Shape, decay: float, generator: np.random.Generator) -> FloatImage:
    """Fractal noise from 0 to 1: each octave twice as fine and ``decay`` times as weak.

    Args:
        shape: (H, W).
        decay: Above 1; smaller is rougher.
        generator: Where the noise comes from.

    Returns:
        Shape (H, W); at 1 x 1 pixel it is 0.
    """
    field = np.zeros(shape, np.float32)
    longer = max(shape)
    for octave in range(max(1, longer.bit_length())):
        cells = [max(2, -(-side * 2**octave // longer) + 1) for side in shape]
        noise = generator.standard_normal(cells, dtype=np.float32)
        field += resize(noise, shape, cv2.INTER_CUBIC) * decay**-octave
    field -= field.min()
    return np.asarray(field / max(float(field.max()), 1e-9), dtype=np.float32)
