"""A source, divided into parts before anything is computed: the same parts for every engine."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adapt.common.files import json_text, write_whole
from adapt.common.progress import track
from adapt.common.words import first_few
from adapt.data.decoding.formats import ImageError
from adapt.data.labels.suffixes import SHARD_SUFFIXES
from adapt.data.loading.ahead import ahead
from adapt.errors import DataError
from adapt.predictions.inputs.base import LIST, Reading
from adapt.predictions.inputs.packed import has_images
from adapt.predictions.inputs.table import CSV, PARQUET, table_paths
from adapt.scale.addresses import (
    WILD,
    is_address,
    is_folder,
    local_copy,
    matching,
    protocol_of,
    size_of,
    walk_addresses,
)

IMAGE, CONTAINER = "image", "container"
CONTAINERS = (".zip", *SHARD_SUFFIXES)
ASKING = 16
"""Threads that ask for the size of archives."""
SCHEMA = pa.schema([
    ("address", pa.binary()),  # a path may hold bytes that are no text
    ("kind", pa.string()),
    ("size", pa.int64()),
    ("problem", pa.string()),
    ("reason", pa.string()),
])  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What a part is made from: an image, or a file that holds the images of a whole part."""

    address: str
    """A path or an address."""
    kind: str = IMAGE
    """`image`, or `container`: an archive, or a Parquet table that holds images."""
    size: int | None = None
    """Bytes of a container, where they are known."""
    problem: str | None = None
    """Why there is nothing to open, as for a folder that cannot be listed."""
    reason: str | None = None
    """The same in a few words."""


@dataclass(frozen=True)
class Plan:
    """How a source was divided."""

    parts: int
    """How many parts there are."""
    hash: str
    """SHA-256 of all entries in their order: another source has another hash."""
    skipped: dict[str, int]
    """Files that are no images, by suffix, as far as they were seen without opening a container."""


def as_given(source: str) -> dict[str, int | None]:
    """The files and folders that a source stands for, in order, with their bytes where known.

    Args:
        source: A path or an address; a pattern with `*`, `?` or braces for several.

    Raises:
        DataError: When nothing fits a pattern.

    >>> list(as_given("s3://shards/{000..002}.tar"))
    ['s3://shards/000.tar', 's3://shards/001.tar', 's3://shards/002.tar']
    """
    from adapt.data.sources.shards import expand_braces  # loads pandas

    if source == LIST or (not is_address(source) and Path(source).exists()):
        return {source: None}
    given: dict[str, int | None] = {}
    for name in expand_braces(source):
        if not any(sign in name for sign in WILD):
            given[name] = None
        elif is_address(name):
            given |= matching(name)
        else:
            files = sorted(glob.glob(name))  # noqa: PTH207 (a pattern may be absolute)
            if not files:
                raise DataError(
                    f"{name} - no such files - nothing fits the pattern - check the path"
                )
            given |= dict.fromkeys(files)
    return given


def entries(source: str, skipped: Counter[str], remote: bool = False) -> Iterator[Entry]:
    """Everything that is to be opened, lazily and always in the same order.

    Args:
        source: See `as_given`.
        skipped: Gets the files that are no images, by suffix.
        remote: Whether a table or list on this machine may name addresses.

    Raises:
        DataError: When something does not exist or cannot be listed.
    """
    for given, size in ahead(_sized, as_given(source).items(), ASKING, 4 * ASKING):
        if size is not None:
            yield Entry(given, CONTAINER, size)
        elif given.lower().endswith((*CSV, *PARQUET)) and not Path(given).is_dir():
            yield from _table(given, remote)
        elif not is_address(given):
            yield from _on_this_machine(given, skipped, remote)
        elif is_folder(given):
            yield from map(Entry, walk_addresses(given, _counter(skipped)))
        else:
            size_of(given)  # says when it is not there
            yield Entry(given)


def _counter(skipped: Counter[str]) -> Any:
    def left_out(suffix: str) -> None:
        skipped[suffix] += 1

    return left_out


def _sized(given: tuple[str, int | None]) -> tuple[str, int | None]:
    """With its bytes where it is an archive, None where it is something else."""
    address, size = given
    if not address.lower().endswith(CONTAINERS) or Path(address).is_dir():
        return address, None
    return address, _size(address) if size is None else size


def _size(address: str) -> int:
    if is_address(address):
        return size_of(address) or 0
    try:
        return Path(address).stat().st_size
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{address} - cannot be read - {reason} - check the path") from error


def _table(given: str, remote: bool) -> Iterator[Entry]:
    """A table with images is a container; one of paths is read to its end."""
    with local_copy(given) as path:
        if has_images(Path(path)):
            yield Entry(given, CONTAINER, _size(given))
            return
        above = given.rpartition("/")[0] if is_address(given) else str(Path(given).parent)
        allowed = protocol_of(given)
        for named in table_paths(Path(path)):
            if is_address(named):
                _check_allowed(named, given, remote, allowed)
                yield Entry(named)
            elif is_address(given):
                yield Entry(f"{above}/{named}")
            else:
                yield Entry(str(Path(above) / named))


def _on_this_machine(given: str, skipped: Counter[str], remote: bool) -> Iterator[Entry]:
    """A folder, an image, or a list on standard input, as `adapt predict` reads them."""
    reading = Reading(given)
    for item in reading.items():
        try:
            path = str(item.get())
        except ImageError as problem:
            yield Entry(item.name, problem=str(problem), reason=problem.reason)
            continue
        if is_address(path):
            _check_allowed(path, given, remote)
        yield Entry(path)
    skipped.update(reading.skipped)


def _check_allowed(named: str, source: str, remote: bool, protocol: str = "") -> None:
    """A list that somebody sent must not make this machine ask other machines for files."""
    if not remote and protocol_of(named) != protocol:
        raise DataError(
            f"{source} - names a file elsewhere - {named:.120} - add --remote to read it from there"
        )


def parts_of(listed: Iterable[Entry], rows: int) -> Iterator[list[Entry]]:
    """The entries of each part: so many images, or one container.

    >>> names = [Entry("a.jpg"), Entry("b.jpg"), Entry("c.tar", CONTAINER), Entry("d.jpg")]
    >>> [[entry.address for entry in part] for part in parts_of(names, 2)]
    [['a.jpg', 'b.jpg'], ['c.tar'], ['d.jpg']]
    """
    waiting: list[Entry] = []
    for entry in listed:
        if waiting and (entry.kind == CONTAINER or len(waiting) == rows):
            yield waiting
            waiting = []
        if entry.kind == CONTAINER:
            yield [entry]
        else:
            waiting.append(entry)
    if waiting:
        yield waiting


def make_plan(source: str, rows: int, remote: bool = False, path: Path | None = None) -> Plan:
    """List a source and divide it; memory grows with the number of parts and not of images.

    Args:
        source: See `as_given`.
        rows: Images of a part.
        remote: See `entries`.
        path: Where the entries are written, each part as one row group; nowhere if None.

    Raises:
        DataError: When there is nothing in it, or it cannot be listed.
        RunError: When the file cannot be written.
    """
    skipped, digest, count = Counter[str](), hashlib.sha256(), 0

    def divided() -> Iterator[list[Entry]]:
        nonlocal count
        listed = track(entries(source, skipped, remote), "listing the source", 0)
        for part in parts_of(listed, rows):
            count += 1
            digest.update(json_text([astuple(entry) for entry in part], None).encode(
                "utf-8", "surrogatepass"))  # fmt: skip
            yield part
        if not count:
            given = first_few(f"{count} {kind}" for kind, count in skipped.items())
            raise DataError(
                f"{source} - no images - {given or 'nothing to embed'} - give a folder, table, "
                "archives or list with images"
            )

    if path is None:
        for _ in divided():
            pass
    else:
        write_whole(path, lambda place: _write(place, divided()))
    return Plan(count, digest.hexdigest(), dict(skipped.most_common()))


def _write(path: Path, parts: Iterator[list[Entry]]) -> None:
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for part in parts:
            writer.write_table(_as_table(part), len(part))


def _as_table(part: Sequence[Entry]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        field.name: [getattr(entry, field.name) for entry in part] for field in fields(Entry)
    }
    columns["address"] = [os.fsencode(address) for address in columns["address"]]
    return pa.Table.from_pydict(columns, SCHEMA)


def entries_of(path: Path, number: int) -> list[Entry]:
    """The entries of one part of a plan that was written.

    Args:
        path: The file.
        number: Of the part, from 0.

    Raises:
        DataError: When it cannot be read.
    """
    try:
        with pq.ParquetFile(path) as file:
            rows = file.read_row_group(number).to_pylist()
    except (OSError, IndexError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        advice = "begin again with --overwrite"
        raise DataError(f"{path} - cannot be read - {reason} - {advice}") from error
    return [Entry(**{**row, "address": os.fsdecode(row["address"])}) for row in rows]
