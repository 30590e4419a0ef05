"""Noise, blur and digital shifts, after ImageNet-C (Hendrycks & Dietterich, arXiv:1903.12261).

Where a constant differs from the paper's, the function says so. Functions here are entered in
``SHIFTS`` and meant to be called by name, through ``adapt.data.shifts.shift.apply_shift``.
"""

import cv2
import numpy as np
from PIL import Image

from adapt.data.shifts.tools import (
    FloatImage,
    at_reference_size,
    convolve,
    disk_kernel,
    displace,
    gaussian,
    motion_kernel,
    reference_shape,
    resize,
    scale_of,
    shift,
    smooth,
    strength_of,
    swap_neighbours,
    to_bytes,
)

Random = np.random.Generator


@shift("gaussian_noise")
def _gaussian_noise(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Sensor noise in low light."""
    sigma = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1] * strength_of(image.shape[:2]) ** 0.5

    def change(small: FloatImage) -> FloatImage:
        noise = generator.standard_normal(small.shape, dtype=np.float32)
        return np.asarray(small + sigma * noise, dtype=np.float32)

    return at_reference_size(image, change)


@shift("shot_noise")
def _shot_noise(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Photons are counted one by one."""
    photons = (60, 25, 12, 5, 3)[severity - 1] / strength_of(image.shape[:2])

    def change(small: FloatImage) -> FloatImage:
        counted = generator.poisson(np.clip(small, 0, 1) * photons) / photons
        return counted.astype(np.float32)

    return at_reference_size(image, change)


@shift("impulse_noise")
def _impulse_noise(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Salt and pepper: values that are lost, as often high as low."""
    amount = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1] * strength_of(image.shape[:2])

    def change(small: FloatImage) -> FloatImage:
        draw = generator.random(small.shape, dtype=np.float32)
        changed = np.where(draw < amount / 2, np.float32(0), small)
        return np.where(draw > 1 - amount / 2, np.float32(1), changed)

    return at_reference_size(image, change)


@shift("speckle_noise")
def _speckle_noise(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Noise that grows with brightness."""
    sigma = (0.15, 0.2, 0.35, 0.45, 0.6)[severity - 1] * strength_of(image.shape[:2]) ** 0.5

    def change(small: FloatImage) -> FloatImage:
        noise = generator.standard_normal(small.shape, dtype=np.float32)
        return np.asarray(small + small * sigma * noise, dtype=np.float32)

    return at_reference_size(image, change)


@shift("gaussian_blur")
def _gaussian_blur(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Soft focus; one of the paper's extra kinds."""
    return gaussian(image, max(0.5, (1, 2, 3, 4, 6)[severity - 1] * scale_of(image.shape[:2])))


@shift("defocus_blur")
def _defocus_blur(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Out of focus: points become disks."""
    radius = (3, 4, 6, 8, 10)[severity - 1] * scale_of(image.shape[:2])
    return convolve(image, disk_kernel(radius))


@shift("glass_blur")
def _glass_blur(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Frosted glass: pixels change places with near ones, one after another, between two blurs."""
    sigma, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[
        severity - 1
    ]
    sigma = max(0.4, sigma * scale_of(image.shape[:2]))

    def change(small: FloatImage) -> FloatImage:
        for _ in range(times):
            small = swap_neighbours(small, reach * strength_of(small.shape[:2]), generator)
        return small

    return gaussian(at_reference_size(gaussian(image, sigma), change), sigma)


@shift("motion_blur")
def _motion_blur(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """The camera moves during the exposure."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    scale, degrees = scale_of(image.shape[:2]), generator.uniform(-45, 45)
    # The paper's tool draws a trail of twice the radius.
    kernel = motion_kernel(2 * radius * scale, sigma * scale, degrees)
    return convolve(image, kernel, cv2.BORDER_REPLICATE)


@shift("zoom_blur")
def _zoom_blur(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """The camera moves towards the object during the exposure."""
    end, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity - 1]
    height, width = image.shape[:2]
    total = image.copy()
    zooms = np.arange(1, end, step)
    for zoom in zooms:
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, zoom)
        total += cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(total / (len(zooms) + 1), dtype=np.float32)


@shift("contrast")
def _contrast(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Pixels move towards the mean colour."""
    kept = (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]
    mean = image.mean(axis=(0, 1), keepdims=True, dtype=np.float64).astype(np.float32)
    return np.asarray((image - mean) * kept + mean, dtype=np.float32)


@shift("brightness")
def _brightness(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Over-exposure: a higher value in hue, saturation, value."""
    hsv: FloatImage = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), dtype=np.float32)
    hsv[..., 2] = np.clip(hsv[..., 2] + (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1], 0, 1)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.float32)


@shift("saturate")
def _saturate(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Colours fade at severities 1 and 2 and grow garish from 3 on, as in the paper."""
    factor, added = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))[severity - 1]
    hsv: FloatImage = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), dtype=np.float32)
    hsv[..., 1] = np.clip(hsv[..., 1] * factor + added, 0, 1)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.float32)


@shift("elastic_transform")
def _elastic_transform(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Three corners are pulled away, then the picture is stretched locally.

    As in the paper severities 1 and 2 pull the corners far, and 3 to 5 stretch locally.
    """
    reach, sigma, pull = (
        (488, 170.8, 24.4),
        (488, 19.52, 48.8),
        (12.2, 2.44, 4.88),
        (17.08, 2.44, 4.88),
        (29.28, 2.44, 4.88),
    )[severity - 1]
    shape = (image.shape[0], image.shape[1])
    image = _pull_corners(image, pull * scale_of(shape), generator)
    small = reference_shape(shape)
    noise = generator.uniform(-1, 1, (2, *small)).astype(np.float32)
    scale, enlarged = scale_of(small), np.float32(scale_of(shape) / scale_of(small))
    moves = (smooth(axis, sigma * scale) * np.float32(reach * scale**2) for axis in noise)
    return displace(image, *(resize(move, shape) * enlarged for move in moves))


def _pull_corners(image: FloatImage, distance: float, generator: Random) -> FloatImage:
    """Three points around the centre are moved at random, and the picture with them."""
    height, width = image.shape[:2]
    arm = max(1, min(height, width) // 3)
    corners = np.array([[1, 1], [1, -1], [-1, -1]]) * arm + np.array([width // 2, height // 2])
    pulled = corners + generator.uniform(-distance, distance, (3, 2))
    matrix = cv2.getAffineTransform(corners.astype(np.float32), pulled.astype(np.float32))
    moved = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, dtype=np.float32)


@shift("pixelate")
def _pixelate(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Enlarged from too few pixels."""
    block = 1 / (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    shape, scale = image.shape[:2], scale_of(image.shape[:2])
    block = block * scale if scale > 1 else 1 + (block - 1) * scale
    few = (max(1, round(shape[0] / block)), max(1, round(shape[1] / block)))
    # Pillow's box counts whole pixels, as in the paper; OpenCV's area counts parts of them.
    small = Image.fromarray(to_bytes(image)).resize((few[1], few[0]), Image.Resampling.BOX)
    blocks = np.asarray(small, dtype=np.float32) / np.float32(255)
    return resize(blocks, shape, cv2.INTER_NEAREST_EXACT)


def _encoded(image: FloatImage, quality: float) -> FloatImage:
    """Through one JPEG file, colour at half resolution."""
    options = [cv2.IMWRITE_JPEG_QUALITY, max(1, round(quality))]
    bgr = np.ascontiguousarray(to_bytes(image)[..., ::-1])
    decoded = cv2.imdecode(cv2.imencode(".jpg", bgr, options)[1], cv2.IMREAD_COLOR)
    return np.asarray(np.asarray(decoded)[..., ::-1] / 255, dtype=np.float32)


@shift("jpeg_compression")
def _jpeg_compression(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Saved once as JPEG of low quality."""
    quality = (25, 18, 15, 10, 7)[severity - 1] / strength_of(image.shape[:2])
    return at_reference_size(image, lambda small: _encoded(small, quality))


@shift("jpeg")
def _jpeg(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Saved again and again, like a picture that is forwarded many times.

    Unlike ``jpeg_compression`` there are 2 to 6 rounds, of lower quality, and between them the
    picture moves by a few pixels, so that every round cuts its 8 x 8 blocks elsewhere and the
    errors add up.
    """
    rounds, quality = ((2, 18), (3, 13), (4, 10), (5, 7), (6, 5))[severity - 1]

    def change(small: FloatImage) -> FloatImage:
        for offset in generator.integers(0, 8, (rounds, 2)):
            moved = np.pad(small, ((offset[0], 0), (offset[1], 0), (0, 0)), mode="edge")
            small = _encoded(moved, quality / strength_of(image.shape[:2]))
            small = small[offset[0] :, offset[1] :]
        return small

    return at_reference_size(image, change)


@shift("rotation")
def _rotation(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Turned left or right by 10 to 60 degrees, mirrored at the borders."""
    degrees = (10, 20, 30, 45, 60)[severity - 1] * (1 if generator.random() < 0.5 else -1)
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    turned = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, dtype=np.float32)


@shift("greyscale")
def _greyscale(image: FloatImage, severity: int, generator: Random) -> FloatImage:
    """Colour fades, and is gone at severity 5."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.float32)[..., None]
    faded = np.float32((0.3, 0.5, 0.7, 0.85, 1.0)[severity - 1])
    return np.asarray(image * (1 - faded) + grey * faded, dtype=np.float32)
