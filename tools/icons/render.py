"""Draw the icons of the npm package `@iconify/json` into one array of pixels and a table.

    npm pack @iconify/json && tar xzf iconify-json-*.tgz
    pip install resvg_py
    python tools/icons/render.py package icons/

Writes `icons/pixels.npy` (N, 64, 64, 4) uint8 RGBA and `icons/icons.parquet` (set, name, concept,
colour, held_out), in the same order. About four minutes on two cores, 4 GB of disk.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import resvg_py
from icon_sets import Icon, read_icons

SIZE = 64


def draw(svg: str) -> np.ndarray | None:
    """RGBA pixels of one SVG, or None when it cannot be drawn or is blank."""
    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE, skip_system_fonts=True)
    except ValueError:
        return None
    image = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.shape != (SIZE, SIZE, 4) or image[..., 3].mean() < 4:
        return None
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)


def draw_many(icons: list[Icon]) -> list[np.ndarray | None]:
    """Draw a chunk in one worker process."""
    return [draw(icon.svg) for icon in icons]


def main() -> None:
    """Render everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    icons = list(read_icons(arguments.package))
    pixels = np.lib.format.open_memmap(
        arguments.out / "pixels.npy", mode="w+", dtype=np.uint8, shape=(len(icons), SIZE, SIZE, 4)
    )
    chunks = [icons[i : i + 512] for i in range(0, len(icons), 512)]
    rows, kept = [], 0
    with ProcessPoolExecutor() as pool:
        for chunk, images in zip(chunks, pool.map(draw_many, chunks), strict=True):
            for icon, image in zip(chunk, images, strict=True):
                if image is None:
                    continue
                pixels[kept] = image
                rows.append((icon.icon_set, icon.name, icon.concept, icon.colour, icon.held_out))
                kept += 1
            sys.stderr.write(f"\r{kept} icons")
    pixels.flush()
    del pixels
    trim(arguments.out / "pixels.npy", kept)
    columns = ["set", "name", "concept", "colour", "held_out"]
    pd.DataFrame(rows, columns=columns).to_parquet(arguments.out / "icons.parquet")
    sys.stderr.write(f"\n{kept} of {len(icons)} icons drawn\n")


def trim(path: Path, count: int) -> None:
    """Cut the array to its first `count` rows."""
    whole = np.load(path, mmap_mode="r")
    short = path.with_suffix(".tmp.npy")
    target = np.lib.format.open_memmap(
        short, mode="w+", dtype=np.uint8, shape=(count, *whole.shape[1:])
    )
    for start in range(0, count, 8192):
        target[start : start + 8192] = whole[start : min(count, start + 8192)]
    target.flush()
    del whole, target
    short.replace(path)


if __name__ == "__main__":
    main()
