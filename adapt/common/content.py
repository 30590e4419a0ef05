"""What a file holds, as a hash: the name of an image that no folder, table or archive changes."""

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from adapt.common.progress import track
from adapt.errors import DataError

KEPT = 1 << 18
"""Most hashes that are remembered."""


def text_hash(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


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


def source_files(module: str) -> list[Path]:
    """The file of a module, or every file of a package; nothing of it is imported.

    Raises:
        ModuleNotFoundError: When there is none: a key made of nothing would serve old answers.

    >>> [path.name for path in source_files("adapt.errors")]
    ['errors.py']
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module} - no such module - keys of the cache name it")
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)]
    return sorted(Path(spec.origin).parent.rglob("*.py"))


def source_hash(modules: Iterable[str]) -> str:
    """Changes with every file of these modules and packages, and with each that comes or goes."""
    files = [path for module in modules for path in source_files(module)]
    return text_hash(" ".join(f"{path.name} {content_hash(path)}" for path in files))


def code_version(modules: Iterable[str], libraries: Iterable[str]) -> str:
    """Changes with the source of these modules and packages, and with the version of a library.

    Args:
        modules: Names of modules and packages; nothing of them is imported.
        libraries: Names of distributions; those that are not installed count as such.
    """
    return text_hash(
        " ".join([source_hash(modules), *(f"{n} {library_version(n)}" for n in libraries)])
    )


def library_version(library: str) -> str:
    """The version of an installed distribution; empty where there is none."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
