"""What a file holds, as a hash: the name of an image that no folder, table or archive changes."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from adapt.common.progress import track
from adapt.errors import DataError

KEPT = 1 << 18
"""Most hashes that are remembered."""


def content_hash(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    Args:
        path: A file.

    Returns:
        64 hexadecimal digits.

    Raises:
        DataError: When it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path} - cannot be read - {reason} - check the file") from error
    return digest.hexdigest()


@lru_cache(KEPT)
def _remembered(path: str, size: int, changed: int) -> str:
    return content_hash(path)


def _hash(path: str) -> str:
    try:
        state = Path(path).stat()
    except OSError:
        return content_hash(path)  # says what is wrong
    return _remembered(path, state.st_size, state.st_mtime_ns)


def content_hashes(paths: Sequence[str]) -> list[str]:
    """The hash of each file, remembered while its size and time of change stay.

    Raises:
        DataError: When one cannot be read.
    """
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        return list(track(pool.map(_hash, paths), "reading files", len(paths)))
