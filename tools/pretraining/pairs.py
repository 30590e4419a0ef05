"""Image-text pairs packed into one array: what contrastive pretraining reads."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from adapt.errors import DataError


class PackedPairs(Dataset[dict[str, Tensor]]):
    """Drawings and captions from a folder with `pixels.npy` and `pairs.parquet`.

    `pixels.npy` is (N, 5, H, W) uint8 and stays on disk (memory-mapped); `pairs.parquet` has
    the columns `caption`, `group` (pairs of one group are positives of each other) and
    `colour`. Indexing takes a list of rows, so that a batch is one read.

    Raises:
        DataError: When a file or column is missing or the lengths differ.
    """

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        for name in ("pixels.npy", "pairs.parquet"):
            if not (root / name).is_file():
                raise DataError(
                    f"{root} - no {name} - a packed folder of pairs holds pixels.npy "
                    "and pairs.parquet - make it with tools/icons/pack.py"
                )
        self.pixels = np.load(root / "pixels.npy", mmap_mode="r")
        table = pd.read_parquet(root / "pairs.parquet")
        if missing := {"caption", "group", "colour"} - set(table):
            raise DataError(
                f"{root / 'pairs.parquet'} - columns missing - {sorted(missing)} - add them"
            )
        if len(table) != len(self.pixels):
            raise DataError(
                f"{root} - {len(self.pixels)} images but {len(table)} captions - pack again"
            )
        self.captions: list[str] = table["caption"].tolist()
        self.group = torch.from_numpy(table["group"].to_numpy(np.int64, copy=True))
        self.colour = torch.from_numpy(table["colour"].to_numpy(bool, copy=True))
        self.group_size = torch.bincount(self.group)[self.group]

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, rows: list[int]) -> dict[str, Tensor]:
        order = np.sort(np.asarray(rows))
        index = torch.from_numpy(order)
        return {
            "drawings": torch.from_numpy(self.pixels[order]),
            "row": index,
            "group": self.group[index],
            "colour": self.colour[index],
        }


class CurriculumSampler(Sampler[list[int]]):
    """Batches of row numbers: frequent groups first, all of them after `easy_steps`.

    Args:
        pairs: What to draw from.
        batch_size: Rows in a batch.
        steps: Batches in all.
        easy_steps: Batches drawn from groups with at least `easy_size` members.
        easy_size: See `easy_steps`.
        colour_weight: How much more often a drawing with own colours is drawn.
        seed: Fixes the whole sequence; batch `i` depends on nothing but the seed and `i`.
        first: Number of the first batch, to go on after an interruption.
    """

    def __init__(
        self,
        pairs: PackedPairs,
        batch_size: int,
        steps: int,
        easy_steps: int,
        easy_size: int,
        colour_weight: float,
        seed: int,
        first: int = 0,
    ) -> None:
        self.batch_size, self.steps, self.first = batch_size, steps, first
        self.easy_steps, self.seed = easy_steps, seed
        weight = torch.where(pairs.colour, colour_weight, 1.0).double()
        self.all = weight.cumsum(0)
        self.easy = (weight * (pairs.group_size >= easy_size)).cumsum(0)

    def __len__(self) -> int:
        return self.steps - self.first

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.steps):
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            ladder = self.easy if step < self.easy_steps else self.all
            draws = torch.rand(self.batch_size, generator=generator, dtype=torch.float64)
            rows = torch.searchsorted(ladder, draws * ladder[-1], right=True)
            yield rows.clamp_max(len(ladder) - 1).tolist()
