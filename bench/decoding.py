"""Draft decoding of JPEG: how much faster, and how far from the exact pixels after resizing.

    python bench/decoding.py PHOTOS docs/benchmarks/decoding.md

Differences: each photo of a folder is cropped to sides that 8 divides, written as JPEG of quality
90, decoded exactly and at 1/2 and 1/4, and both are resized to the largest size that leaves the
draft 1.5, 2, 2.5, 3 or 4 times as large. Means over the pixels of a photo, in steps of 1/255.

Speed: photos are laid side by side as large JPEG files, as a camera would write them, and read
as training would for an image size of 224, exactly and with drafts. Decoding and resizing together,
the fastest of three.
"""

import argparse
import io
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from adapt.data.decoding.open import REDUCE_ABOVE, open_image
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.sources.folders import walk_images

FACTORS = (1.5, 2.0, 2.5, 3.0, 4.0)
SCALES = (2, 4)
LIMIT, SHARE = 1.0, 99
SHEETS = {"6 megapixels": (2880, 1920), "12 megapixels": (4032, 3024)}


def resizer(size: int) -> Callable[[Image.Image], Image.Image]:
    """What evaluation does to an image before normalising it."""
    return Preprocessing(size, [0.5] * 3, [0.5] * 3).resize


def jpeg(image: Image.Image) -> bytes:
    """A JPEG file of quality 90."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def cropped(path: Path) -> Image.Image:
    """A photo whose sides 8 divides."""
    image = open_image(path)
    return image.crop((0, 0, image.width // 8 * 8, image.height // 8 * 8))


def differences(photos: list[Image.Image], scale: int, factor: float) -> list[float]:
    """Mean difference of each photo between its draft at 1 / scale and its exact pixels."""
    found = []
    for photo in photos:
        size = int(min(photo.size) / scale / factor)
        at_least = min(photo.size) // scale // REDUCE_ABOVE
        data = jpeg(photo)
        exact, draft = (resizer(size)(open_image(data, at_least=n)) for n in (None, at_least))
        found.append(float(np.abs(np.asarray(exact).astype(int) - np.asarray(draft)).mean()))
    return found


def sheet(photos: list[Image.Image], size: tuple[int, int]) -> bytes:
    """Photos side by side as one large JPEG file."""
    ground = Image.new("RGB", size)
    places = [(x, y) for y in range(0, size[1], 240) for x in range(0, size[0], 320)]
    for number, place in enumerate(places):
        ground.paste(photos[number % len(photos)].resize((320, 240)), place)
    return jpeg(ground)


def seconds(call: Callable[[], Image.Image]) -> float:
    """Time of the fastest of three calls."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and write both tables; exit 1 when the differences pass the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("out", type=Path, help="Markdown file to write")
    parser.add_argument("--count", type=int, default=300, help="photos to measure on")
    arguments = parser.parse_args()
    photos = [cropped(path) for path in list(walk_images(arguments.photos))[: arguments.count]]
    kept, rows = True, []
    for factor in FACTORS:
        for scale in SCALES:
            found = differences(photos, scale, factor)
            most = float(np.percentile(found, SHARE))
            kept &= factor < REDUCE_ABOVE or most <= LIMIT
            rows.append(
                f"| {factor:g} | 1/{scale} | {np.mean(found):.2f} | {most:.2f} | {max(found):.2f} |"
            )
    speeds = []
    for name, size in SHEETS.items():
        data, resize = sheet(photos, size), resizer(224)
        exact = seconds(lambda data=data, resize=resize: resize(open_image(data)))
        draft = seconds(lambda data=data, resize=resize: resize(open_image(data, at_least=224)))
        speeds.append(f"| {name} | {exact * 1000:.0f} | {draft * 1000:.0f} | {exact / draft:.1f} |")
    head = f"| factor | draft | mean | {SHARE} % of photos below | worst photo |"
    text = f"""# Draft decoding of JPEG

Written by `python bench/decoding.py PHOTOS docs/benchmarks/decoding.md`, which says how
it is measured. {len(photos)} photos. Differences are in steps of 1/255; the factor in use is
{REDUCE_ABOVE}, the limit {LIMIT:g} for {SHARE} % of photos: {"kept" if kept else "BROKEN"}.

{head}
|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

| file | exact ms | draft ms | times faster |
|---|---:|---:|---:|
{chr(10).join(speeds)}

Machine: {platform.machine()}, 1 thread, Python {platform.python_version()}.
"""
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(not kept)


if __name__ == "__main__":
    main()
