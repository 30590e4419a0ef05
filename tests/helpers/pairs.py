"""Drawings with captions."""

from pathlib import Path

import numpy as np
import pandas as pd

from adapt.data.image_data import ImageData
from adapt.data.sources.captions.pairs import from_pairs
from tests.helpers.tiny import CLASSES, drawing


def draw_pairs(root: Path, each: int = 6, seed: int = 0) -> Path:
    """A table of pairs, two captions for each drawing, one of them of the drawing alone."""
    random, rows = np.random.default_rng(seed), []
    root.mkdir(parents=True)
    for label in CLASSES:
        for number in range(each):
            name = f"{label}_{number}.png"
            drawing(label, random).save(root / name)
            words = label.replace("_", " ")
            rows += [(name, f"a {words}"), (name, f"{words}, drawing {number}")]
    table = root / "pairs.csv"
    pd.DataFrame(rows, columns=["image", "caption"]).to_csv(table, index=False)
    return table


def pair_data(root: Path, each: int = 6, val: float | None = 0.34) -> ImageData:
    """Train and val of such a table."""
    return ImageData.build(from_pairs(draw_pairs(root, each)), val)
