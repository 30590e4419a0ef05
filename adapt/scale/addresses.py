"""Files that are elsewhere: `s3://`, `gs://`, ... through fsspec, for as many of them as there are.

Nothing else in the package opens an address. What is read are bytes; no file is written there.
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from adapt.data.decoding.formats import ImageError, refuse
from adapt.data.decoding.open import MAX_PIXELS
from adapt.data.sources.folders import is_image_name, is_junk
from adapt.errors import DataError, MissingExtraError, one_line
from adapt.predictions.inputs.base import problem_of

ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://")
LARGEST = 8 * MAX_PIXELS
"""Most bytes of one image: the largest that is decoded, at 64 bits per pixel."""
WILD = "*?["


def is_address(text: str) -> bool:
    r"""Whether a text names a file elsewhere, and no path of this machine.

    >>> is_address("s3://bucket/cat.jpg"), is_address("photos/cat.jpg"), is_address("C:\\cat.jpg")
    (True, False, False)
    """
    return ADDRESS.match(text) is not None


def protocol_of(address: str) -> str:
    """What stands before `://`.

    >>> protocol_of("s3://bucket/cat.jpg")
    's3'
    """
    match = ADDRESS.match(address)
    return match[1] if match else ""


def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises:
        DataError: When the protocol is not known, or access is refused.
        MissingExtraError: When the package for it is not installed.
    """
    try:
        system, path = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        extra = "adapt-clip[s3]" if protocol_of(address) in ("s3", "s3a") else "that package"
        raise MissingExtraError(
            f"{address} - cannot be read here - {one_line(error)} - pip install '{extra}'"
        ) from error
    except ValueError as error:
        raise DataError(
            f"{address} - cannot be read - {one_line(error)} - give a path or an address such as "
            "s3://bucket/photos"
        ) from error
    return system, path


def size_of(address: str) -> int | None:
    """Bytes of a file, None where its system does not tell.

    Raises:
        DataError: When there is none.
    """
    system, path = file_system(address)
    with _said(address):
        size = system.info(path).get("size")
    return None if size is None else int(size)


def is_folder(address: str) -> bool:
    """Whether files lie below an address.

    Raises:
        DataError: When that cannot be told.
    """
    system, path = file_system(address)
    with _said(address):
        return bool(system.isdir(path))


def matching(pattern: str) -> dict[str, int | None]:
    """The addresses that fit a pattern with `*` and `?`, by name, with their bytes where known.

    Raises:
        DataError: When there is none.
    """
    system, path = file_system(pattern)
    with _said(pattern):
        # With details: to ask for each of very many shards again would take hours.
        names = sorted(system.glob(path, detail=True).items())
    if not names:
        raise DataError(f"{pattern} - no such files - nothing fits the pattern - check the address")
    above = pattern[: min(pattern.find(sign) for sign in WILD if sign in pattern)]
    above = above[: above.rindex("/")]  # up to the folder that is sure
    root = str(system._strip_protocol(above))
    return {_below_address(above, root, name): info.get("size") for name, info in names}


def _below_address(address: str, root: str, path: str) -> str:
    """The address of what a store calls `path`, spelled as the one that was given."""
    return f"{address.rstrip('/')}/{path.removeprefix(root.rstrip('/')).lstrip('/')}"


def walk_addresses(address: str, left_out: Callable[[str], object]) -> Iterator[str]:
    """The address of every image below a folder, lazily, in the order of `walk_images`.

    Args:
        address: The folder.
        left_out: Called with the suffix of each file that is no image.

    Raises:
        DataError: When a folder cannot be listed.
    """
    system, root = file_system(address)
    yield from _below(system, root, address, left_out)


def _below(
    system: Any, folder: str, address: str, left_out: Callable[[str], object]
) -> Iterator[str]:
    with _said(address):
        entries = sorted(system.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
    folders: list[str] = []
    for entry in entries:
        path = str(entry["name"]).rstrip("/")
        name = path.rpartition("/")[2]
        if path == folder.rstrip("/") or is_junk(name):  # a store may list a folder in itself
            continue
        if entry["type"] == "directory":
            folders.append(path)
        elif is_image_name(name):
            yield _below_address(address, folder, path)
        else:
            left_out(Path(name).suffix.lower() or "no suffix")
    for path in folders:
        yield from _below(system, path, _below_address(address, folder, path), left_out)


def fetch_images(addresses: Sequence[str]) -> list[bytes | ImageError]:
    """The bytes of files, or what is wrong with each; those of one store are asked for together.

    Raises:
        MissingExtraError: When the package for an address is not installed.
    """
    results: dict[str, bytes | ImageError] = {}
    by_store: dict[int, tuple[Any, dict[str, str]]] = {}
    for address in addresses:
        try:
            system, path = file_system(address)
        except DataError as error:
            results[address] = problem_of(error, address, address)
            continue
        by_store.setdefault(id(system), (system, {}))[1][path] = address
    for system, paths in by_store.values():
        for address in paths.values():
            results[address] = _no_file(address)
        # One byte more than may be: what is cut off there is refused, and never held whole.
        got = system.cat(list(paths), on_error="return", start=0, end=LARGEST + 1)
        for path, content in got.items():
            results[paths[path]] = _checked(paths[path], content)
    return [results[address] for address in addresses]


def _checked(address: str, content: object) -> bytes | ImageError:
    if isinstance(content, FileNotFoundError):
        return _no_file(address)
    if isinstance(content, Exception):
        return refuse(address, "cannot be read", one_line(content), "check the address, or retry")
    if not isinstance(content, bytes):
        return refuse(address, "cannot be read", type(content).__name__, "check the address")
    if len(content) > LARGEST:
        return refuse(address, "too large", f"more than {LARGEST} bytes", "leave it out")
    return content


def _no_file(address: str) -> ImageError:
    return refuse(address, "no such file", "not in the store", "check the address")


@contextmanager
def local_copy(address: str) -> Iterator[str]:
    """The path of a file on this machine: itself, or a copy that is there while inside.

    Raises:
        DataError: When it cannot be fetched.
    """
    if not is_address(address):
        yield address
        return
    with tempfile.TemporaryDirectory(prefix="adapt-", ignore_cleanup_errors=True) as folder:
        system, path = file_system(address)
        target = Path(folder, path.rstrip("/").rpartition("/")[2])
        with _said(address):
            system.get_file(path, str(target))
        yield str(target)


@contextmanager
def _said(address: str) -> Iterator[None]:
    """Whatever a store raises, as one sentence."""
    try:
        yield
    except (DataError, MissingExtraError):
        raise
    except FileNotFoundError as error:
        raise DataError(
            f"{address} - not found - no such file or folder there - check the address"
        ) from error
    except Exception as error:  # every store has errors of its own
        raise DataError(
            f"{address} - cannot be read - {one_line(error) or type(error).__name__} - check the "
            "address, and that you may read it"
        ) from error
