"""Sets of embeddings that are finished: opened only where one model made all of their parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from adapt.common.typed import resolve_path
from adapt.errors import DataError
from adapt.scale.parts import made_by

STATS = "_stats.json"
"""The mark of a set that is finished, with its counts; written last of all."""
MODEL = "model_path"
"""Where the model lay, in the counts of a set."""
SAME = ("model", "preprocessing", "precision")
"""What all parts must have in common to be compared with each other."""
ROWS = 4096


@dataclass(frozen=True)
class EmbeddingSet:
    """Parts that one model made with one preprocessing.

    Example:
        >>> EmbeddingSet.open("no such folder")
        Traceback (most recent call last):
        adapt.errors.DataError: no such folder - no embeddings - ... - give a folder that ...
    """

    parts: list[Path]
    """The tables, by name."""
    made: dict[str, Any]
    """What they have in common: the hash of the model, of the preprocessing, and the precision."""

    @classmethod
    def open(cls, *folders: str | Path) -> "EmbeddingSet":
        """Open the parts of one or several folders, reading no more than their metadata.

        Args:
            folders: What `adapt embed` wrote.

        Raises:
            DataError: When a folder is not finished, or parts of several models are mixed.
            RunError: When a file is no part.
        """
        parts: list[Path] = []
        for folder in map(resolve_path, folders):
            if not (folder / STATS).is_file():
                raise DataError(
                    f"{folder} - no embeddings - no finished set of them: there is no {STATS} - "
                    "give a folder that `adapt embed` has finished"
                )
            parts += sorted(folder.glob("part-*.parquet"))
        return cls(parts, common(parts))

    def batches(self, rows: int = ROWS) -> Iterator[tuple[list[str], np.ndarray]]:
        """Paths and features, float32 of shape (B, D); images that could not be read are left out.

        Args:
            rows: Most rows of a batch.
        """
        for part in self.parts:
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(rows, columns=["path", "features"]):
                    good = batch.filter(batch.column("features").is_valid())
                    column = good.column("features")
                    width = column.type.list_size
                    values = column.flatten().to_numpy(zero_copy_only=False)
                    yield good.column("path").to_pylist(), values.reshape(-1, width)


def common(parts: Sequence[Path]) -> dict[str, Any]:
    """What all parts were made with.

    Raises:
        DataError: When they differ in it.
        RunError: When a file is no part.
    """
    first: dict[str, Any] = {}
    for part in parts:
        made = {name: made_by(part).get(name) for name in SAME}
        first = first or made
        if made != first:
            name = next(name for name in SAME if made[name] != first[name])
            raise DataError(
                f"{part} - features of different models cannot be mixed - {name} is {made[name]}, "
                f"and {first[name]} in {parts[0]} - embed them again with one model"
            )
    return first
