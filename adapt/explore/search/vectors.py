"""The features of a set of embeddings as one memory map, and the names of their images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adapt.common.arrays import SingleArray
from adapt.common.cache import cache_folder, keep_below, mark_used, most_bytes
from adapt.common.content import text_hash
from adapt.common.files import write_whole
from adapt.common.progress import track
from adapt.errors import DataError, RunError
from adapt.scale.collection import EmbeddingSet
from adapt.scale.parts import Stats, read_stats

KIND = "search"
"""Folder of the cache."""
FEATURES, PATHS = "features.npy", "paths.arrow"
AGAIN = "embed the images again with `adapt embed --overwrite`"


@dataclass(frozen=True)
class Vectors:
    """Unit features of N images that one model made; neither they nor the names are in memory."""

    features: SingleArray
    """Shape (N, D), mapped."""
    names: Any
    """An Arrow column of N texts, mapped."""
    folder: Path
    """Where the map is, in the cache; its name is a hash of the content."""

    def __len__(self) -> int:
        return len(self.features)

    def paths(self, rows: Sequence[int]) -> list[str]:
        """Names of the images at these rows.

        Args:
            rows: From 0 to N - 1.
        """
        chosen: list[str] = self.names.take(pa.array(rows, pa.int64())).to_pylist()
        return chosen


def mapped(embeddings: EmbeddingSet) -> Vectors:
    """The features of a set as a memory map, written to the cache when it is asked for first.

    Both files are whole or absent, and their folder is named by the content of all parts: a set
    that changes has another map, and sets that were moved or copied keep theirs.

    Args:
        embeddings: What `adapt embed` has finished.

    Raises:
        DataError: When no image of the set has features.
        RunError: When a part was altered after it was finished, or the map cannot be written.
    """
    stats = [_stats_of(part) for part in embeddings.parts]
    count = sum(part.rows - sum(part.errors.values()) for part in stats)
    if not count:
        where = embeddings.parts[0].parent if embeddings.parts else "index"
        raise DataError(f"{where} - nothing to search in - no image has features - {AGAIN}")
    folder = cache_folder(KIND, text_hash(" ".join(part.file for part in stats)))
    if not all((folder / name).is_file() for name in (FEATURES, PATHS)):
        _write(embeddings, folder, count)
        size = sum(file.stat().st_size for file in folder.iterdir())
        keep_below(cache_folder(KIND), max(most_bytes(), size))
    for name in (FEATURES, PATHS):
        mark_used(folder / name)
    features: SingleArray = np.load(folder / FEATURES, mmap_mode="r")
    names = pa.ipc.open_file(pa.memory_map(str(folder / PATHS))).read_all().column("path")
    return Vectors(np.asarray(features), names.combine_chunks(), folder)


def _stats_of(part: Path) -> Stats:
    """What the mark of a part says of it, if the part still is what was marked."""
    number = int(part.stem.rpartition("-")[2])
    stats = read_stats(part.parent, number)
    if stats is None or part.stat().st_size != stats.size:
        what = "not finished" if stats is None else "altered after it was finished"
        raise RunError(f"{part} - {what} - it is a part of the index - {AGAIN}")
    return stats


def _write(embeddings: EmbeddingSet, folder: Path, count: int) -> None:
    schema = pa.schema([("path", pa.string())])

    def write(features_part: Path, paths_part: Path) -> None:
        batches = track(embeddings.batches(), "mapping the index", 0)
        done, features = 0, np.empty((0, 0), np.float32)
        with pa.ipc.new_file(str(paths_part), schema) as writer:
            for paths, values in batches:
                if not len(features):
                    shape = count, values.shape[1]
                    features = np.lib.format.open_memmap(features_part, "w+", np.float32, shape)
                if values.shape[1] != features.shape[1] or done + len(values) > count:
                    raise RunError(f"{folder} - parts do not fit together - {shape} - {AGAIN}")
                features[done : done + len(values)] = values
                writer.write_batch(pa.record_batch([pa.array(paths, pa.string())], schema=schema))
                done += len(values)
        if done != count:
            raise RunError(f"{folder} - rows are missing - {done} of {count} - {AGAIN}")

    write_whole(
        folder / FEATURES,
        lambda place: write_whole(folder / PATHS, lambda names: write(place, names)),
    )
