"""Images inside archives, read member by member and never unpacked: one zip, or tar shards."""

import glob
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from adapt.data.decoding.open import MAX_PIXELS
from adapt.data.labels.suffixes import SHARD_SUFFIXES
from adapt.data.sources.folders import is_image_name, is_junk
from adapt.data.sources.unpacked import Limits
from adapt.errors import DataError
from adapt.predictions.inputs.base import INPUTS, InputKind, Item, Reading, ends_with, problem_of

if TYPE_CHECKING:
    from adapt.data.sources.archives import Member

ZIP, PLAIN_TAR = ".zip", ".tar"
LARGEST = 8 * MAX_PIXELS
"""Bytes of a member that is read: the largest image that is decoded, at 64 bits per pixel."""


def _takes(source: str) -> bool:
    return ends_with(source, (ZIP, *SHARD_SUFFIXES))


def archives(source: str) -> list[str]:
    """The files that a source stands for: one, those of a pattern with braces, or of `*` and `?`.

    Raises:
        DataError: When one is missing, or there is none.
    """
    if any(sign in source for sign in "*?[") and not Path(source).is_file():
        if files := sorted(glob.glob(source)):  # noqa: PTH207 (a pattern may be absolute)
            return files
        raise DataError(f"{source} - no such files - nothing fits the pattern - check the path")
    from adapt.data.sources.shards import find_shards  # loads pandas

    return find_shards(source)


def _read(reading: Reading) -> Iterator[Item]:
    paths = archives(reading.source)
    for path in paths:
        count = 0
        try:
            for item in _images(path, reading):
                count += 1
                yield item
        except DataError as error:
            if not count and len(paths) == 1:
                raise
            # What came before is good, and so may be the other archives.
            yield Item.broken(path, problem_of(error, path, path))


def _images(path: str, reading: Reading) -> Iterator[Item]:
    from adapt.data.sources.archives import read_members  # loads pandas

    limits = Limits(path, Path(path).stat().st_size)
    for member in read_members(path):
        if member.kind == "folder":
            continue
        parts = [part for part in re.split(r"[/\\]", member.name) if part.strip(".")]
        if not parts or any(map(is_junk, parts)):
            continue
        if is_image_name(parts[-1]):
            name = f"{path}/{member.name.removeprefix('./')}"
            yield Item(name, partial(_bytes, limits, member, name))
        else:
            reading.skipped[Path(parts[-1]).suffix.lower() or "no suffix"] += 1


def _bytes(limits: Limits, member: "Member", name: str) -> bytes:
    """What a member holds, within the limits that hold for unpacking."""
    from adapt.data.sources.archives import check_kind

    try:
        limits.parts(member.name)
        check_kind(limits, member)
        if member.size > LARGEST:
            given = f"{member.size} bytes"
            raise limits.refuse(member.name, "too large", given, f"{LARGEST} at most")
        limits.count += 1
        limits.expect(member.name, member.size)
        with member.open() as stream:
            content = limits.read(member.name, stream, LARGEST)
        limits.expect(member.name, len(content))
        limits.total += len(content)
    except DataError as error:
        whole = f"{limits.source}, member {member.name!r}"
        raise problem_of(error, name, whole, limits.source) from error
    return content


def _count(source: str) -> int:
    """Images by the headers, where these can be read without all that is between them."""
    paths = archives(source)
    if not all(path.lower().endswith((ZIP, PLAIN_TAR)) for path in paths):
        return 0
    return sum(1 for path in paths for _ in _images(path, Reading(source)))


INPUTS.register(
    "archive", InputKind("a zip, a tar or a pattern of tar shards", _takes, _read, _count)
)
