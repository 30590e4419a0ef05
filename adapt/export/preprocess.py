"""From an image file to what the exported graph reads, with numpy and Pillow alone.

The graph takes decoded images of any size. This is the quicker way, and lets images of different
sizes share a batch: the result is what the graph itself would have resized them to, byte for byte.

    own = json.load(open("export.json"))["preprocessing"]
    pixels = numpy.stack([read(path, own) for path in paths])  # then run the graph on `pixels`

Colour profiles are not converted.
"""

from typing import Any

import numpy
from PIL import Image, ImageOps


def read(path: str, own: dict[str, Any]) -> numpy.ndarray:
    """uint8 RGB (size, size, 3) of one image file, upright, on white where it is transparent."""
    size, mode = own["size"], own["resize_mode"]
    image = ImageOps.exif_transpose(Image.open(path))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image, how = image.convert("RGB"), Image.Resampling[own["interpolation"].upper()]
    width, height = image.size
    if mode == "squash":
        return numpy.asarray(image.resize((size, size), how))
    if mode == "longest":
        ratio = max(height / size, width / size)
        inside = max(round(width / ratio), 1), max(round(height / ratio), 1)
        square = Image.new("RGB", (size, size), (own["fill_color"],) * 3)
        square.paste(image.resize(inside, how), ((size - inside[0]) // 2, (size - inside[1]) // 2))
        return numpy.asarray(square)
    longest = 50 * min(width, height)
    left, top = max((width - longest) // 2, 0), max((height - longest) // 2, 0)
    image = image.crop((left, top, left + min(width, longest), top + min(height, longest)))
    short = min(image.size)
    image = image.resize([size * side // short for side in image.size], how)
    left, top = (round((side - size) / 2) for side in image.size)
    return numpy.asarray(image.crop((left, top, left + size, top + size)))
