"""Small pictures for the page: the image as the model reads it, and maps laid over it."""

import numpy as np
from PIL import Image

from adapt.checks.record import picture_uri
from adapt.data.decoding.preprocessing import PixelArray

COLOUR = (230, 60, 0)
STRONGEST = 0.75
"""How much of the colour the strongest region gets."""


def overlay(pixels: PixelArray, regions: list[list[float]]) -> str:
    """A map over an image, as a data URI: the redder, the more the region matters.

    Args:
        pixels: The image as the model reads it, uint8 (S, S, 3).
        regions: The map, (G, G), not negative.
    """
    values = np.asarray(regions, np.float32)
    spread = float(np.ptp(values))
    scaled = (values - values.min()) / spread if spread else np.zeros_like(values)
    side = pixels.shape[0]
    smooth = Image.fromarray(scaled).resize((side, side), Image.Resampling.BILINEAR)
    strength = STRONGEST * np.asarray(smooth)[:, :, None]
    # In grey below, so that the colour of the map is not taken for one of the image.
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)[:, :, None]
    mixed = (1 - strength) * grey + strength * np.array(COLOUR, np.float32)
    return picture_uri(Image.fromarray(mixed.round().astype(np.uint8)))
