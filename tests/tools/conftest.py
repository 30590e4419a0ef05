"""A packed folder of random drawings."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.training import GROUPS


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    folder = tmp_path / "packed"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (22, 5, 48, 48), dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    names = ["cat", "dog", "sun"]
    table = pd.DataFrame(
        {
            "caption": [names[g] for g in GROUPS],
            "group": GROUPS,
            "colour": [i % 2 == 0 for i in range(22)],
        }
    )
    table.to_parquet(folder / "pairs.parquet")
    return folder
