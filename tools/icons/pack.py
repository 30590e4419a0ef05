"""Pack the rendered icons for training: the sets that are not held out, at the model's size.

    python tools/icons/pack.py icons/ icons/packed

Writes `pixels.npy` (N, 5, 48, 48) uint8 (premultiplied RGB, alpha, and the area enclosed by the
drawing's lines) and `pairs.parquet` (caption, group, colour). Concepts that stand in one set only
are left out: their names are mostly file names, not words.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

SIZE = 48


def enclosed(alpha: np.ndarray) -> np.ndarray:
    """255 where the background cannot be reached from the border: the inside of an outline."""
    ink = np.pad((alpha > 96).astype(np.uint8), 1)
    outside = ink.copy()
    cv2.floodFill(outside, None, (0, 0), 2)
    return np.where(outside[1:-1, 1:-1] == 0, 255, 0).astype(np.uint8)


def pack_one(rgba: np.ndarray) -> np.ndarray:
    """One (64, 64, 4) drawing as (5, 48, 48): premultiplied RGB, alpha, enclosed area."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    colours = np.dstack([rgba[..., :3] * alpha, rgba[..., 3]]).astype(np.float32)
    inside = enclosed(rgba[..., 3]).astype(np.float32)
    small = [
        cv2.resize(layer, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for layer in (colours, inside)
    ]
    return np.dstack(small).round().astype(np.uint8).transpose(2, 0, 1)


def usable(table: pd.DataFrame) -> np.ndarray:
    """Row numbers of the training icons: not held out, concept seen in at least two sets."""
    table = table[~table["held_out"]]
    words = table["concept"].str.contains("[a-z]{2}") & (
        table["concept"].str.split().str.len() <= 4
    )
    table = table[words]
    sets = table.groupby("concept")["set"].nunique()
    return table.index[table["concept"].map(sets) >= 2].to_numpy()


def main() -> None:
    """Pack everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rendered", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    table = pd.read_parquet(arguments.rendered / "icons.parquet")
    pixels = np.load(arguments.rendered / "pixels.npy", mmap_mode="r")
    rows = usable(table)
    packed = np.lib.format.open_memmap(
        arguments.out / "pixels.npy", mode="w+", dtype=np.uint8, shape=(len(rows), 5, SIZE, SIZE)
    )
    for i, row in enumerate(rows):
        packed[i] = pack_one(pixels[row])
    packed.flush()
    chosen = table.loc[rows]
    pairs = pd.DataFrame({"caption": chosen["concept"], "colour": chosen["colour"]})
    pairs["group"] = pairs["caption"].astype("category").cat.codes.astype("int64")
    pairs.reset_index(drop=True).to_parquet(arguments.out / "pairs.parquet")
    print(f"{len(pairs)} pairs, {pairs['group'].nunique()} concepts")


if __name__ == "__main__":
    main()
