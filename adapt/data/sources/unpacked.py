"""Archives, shards and hub sets become files, once: what is written, where, and what never is."""

import hashlib
import json
import lzma
import os
import re
import shutil
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from adapt.common.cache import cache_folder
from adapt.common.content import content_hashes
from adapt.common.files import advice_for
from adapt.data.labels.classes import folded
from adapt.data.labels.multi_label import check_joined
from adapt.errors import DataError

FORMAT = 1
"""Goes up when the same source would be unpacked otherwise."""
MAX_FILES = 5_000_000
MAX_BYTES = 4 << 40
MAX_RATIO = 200
"""Unpacked bytes per packed byte; photos are near 1, flat drawings rarely above 100."""
LONGEST = 255
"""Bytes of a file's name, without its folders, that every file system takes."""
FREE_BYTES = 256 << 20
"""Up to here the ratio plays no part."""
LEFT_OVER = 24 * 3600.0
"""Seconds after which what a killed process left behind is removed."""
BLOCK = 1 << 20
READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)
"""What the readers of archives raise on damaged or foreign bytes."""


@dataclass(frozen=True)
class Unpacked:
    """A source as files."""

    source: str
    """What was unpacked."""
    folder: str
    """Absolute folder of all that was written."""
    left_out: tuple[str, ...] = ()
    """What is worth knowing, one sentence each."""

    @property
    def files(self) -> str:
        """Folder of the images."""
        return str(Path(self.folder, "files"))

    @property
    def index(self) -> str:
        """Table of the images, where they are not in class folders."""
        return str(Path(self.folder, "index.parquet"))

    @property
    def notes(self) -> list[str]:
        """Where the files lie, and what was left out."""
        where = f"{self.source} is read from {self.files}, unpacked once, until its bytes change"
        return [where, *self.left_out]


@dataclass
class Limits:
    """What members of an archive may be called, and how much they may hold together."""

    source: str
    """What is read, for messages."""
    packed: int
    """Its size in bytes."""
    count: int = field(default=0, kw_only=True)
    """Files so far."""
    total: int = field(default=0, kw_only=True)
    """Bytes so far."""

    def refuse(self, member: str, what: str, given: str, todo: str) -> DataError:
        """The error for one member."""
        return DataError(f"{self.source}, member {member!r} - {what} - {given} - {todo}")

    def parts(self, name: str) -> list[str]:
        """Folders and file of a member's name; a backslash is taken for a slash.

        Raises:
            DataError: When the name leads out of the folder or is no text.
        """
        todo = "pack it again with names below one folder"
        plain = name.replace("\\", "/")
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        if plain.startswith("/") or re.match(r"[A-Za-z]:", plain):
            raise self.refuse(name, "unsafe name", "it is absolute", todo)
        if ".." in parts:
            raise self.refuse(name, "unsafe name", "it leads out of the archive", todo)
        if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise self.refuse(name, "unsafe name", "it is not UTF-8 text", todo)
        if any(len(part.encode()) > LONGEST for part in parts):
            raise self.refuse(name, "unsafe name", f"over {LONGEST} bytes in one part", todo)
        return parts

    def expect(self, name: str, size: int) -> None:
        """Check the budgets for so many bytes more, before they are written.

        Raises:
            DataError: When a budget does not allow them.
        """
        total = self.total + size
        if total > MAX_BYTES or self.count > MAX_FILES:
            given = f"{self.count} files, {total} bytes; allowed: {MAX_FILES}, {MAX_BYTES}"
            raise self.refuse(name, "too much to unpack", given, "unpack it and give the folder")
        if total > FREE_BYTES and total > MAX_RATIO * self.packed:
            given = f"{total} bytes from {self.packed}, more than {MAX_RATIO} per byte"
            todo = "unpack it and give the folder, if you trust it"
            raise self.refuse(name, "a decompression bomb", given, todo)

    def read(self, name: str, stream: BinaryIO, size: int = BLOCK) -> bytes:
        """The next bytes of a member.

        Raises:
            DataError: When it is damaged.
        """
        try:
            return stream.read(size)
        except READ_ERRORS as error:
            raise self.refuse(name, "damaged", str(error), "copy the file again") from error


@dataclass
class Writer(Limits):
    """Writes files below one folder: safe names only, each once, within the limits."""

    folder: Path
    """Where to."""
    names: dict[str, str] = field(default_factory=dict)
    """Names so far without case and Unicode variants -> as they are, folders with `/` at the end.
    """

    def make_folder(self, name: str) -> None:
        """Make a folder of that name.

        Raises:
            DataError: When the name is not good.
        """
        parts = self.parts(name)
        self._take(name, parts, folder=True)
        self.folder.joinpath(*parts).mkdir(parents=True, exist_ok=True)

    def write(self, name: str, stream: BinaryIO, size: int = 0) -> str:
        """Copy one file, block by block.

        Args:
            name: Its name; folders are made.
            stream: Its bytes.
            size: What the source says its size is.

        Returns:
            Its path below the folder, with `/`.

        Raises:
            DataError: When the name, a budget or the bytes are not good.
        """
        parts = self.parts(name)
        if not parts:
            raise self.refuse(name, "unsafe name", "it is empty", "pack it again")
        self._take(name, parts, folder=False)
        self.count += 1
        self.expect(name, size)
        target = self.folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while block := self.read(name, stream):
                self.expect(name, len(block))
                self.total += len(block)
                out.write(block)
        return "/".join(parts)

    def _take(self, name: str, parts: list[str], folder: bool) -> None:
        """Remember a name, and refuse one that some system would take for another."""
        path = ""
        for depth, part in enumerate(parts, start=1):
            path += part
            is_file = depth == len(parts) and not folder
            entry = path if is_file else f"{path}/"
            first = self.names.setdefault(folded(path), "")
            if not first:
                self.names[folded(path)] = entry
            elif is_file or first != entry:
                todo = "rename or remove one of them: not every system tells them apart"
                raise self.refuse(name, "two members of equal name", f"{first!r} is there", todo)
            path += "/"


@dataclass
class IndexTable:
    """The table of what was unpacked, row by row."""

    source: str
    """What is unpacked, for messages."""
    rows: list[str] = field(default_factory=list)
    """What to call each row."""
    columns: dict[str, list[str]] = field(default_factory=lambda: {"path": [], "label": []})
    """Cells by column; a column that starts late is filled with empty cells."""

    def add(self, row: str, path: str, label: str, others: Mapping[str, str]) -> None:
        """One image; other columns may not be called as the two that are there."""
        cells = {f"given_{k}" if k in ("path", "label") else k: v for k, v in others.items()}
        cells |= {"path": path, "label": label}
        for name in cells.keys() - self.columns.keys():
            self.columns[name] = [""] * len(self.rows)
        for name, column in self.columns.items():
            column.append(cells.get(name, ""))
        self.rows.append(row)

    def write(self, folder: Path) -> None:
        """Check the labels and write the table.

        Raises:
            DataError: When there is no row, or labels are several joined by a separator.
        """
        if not self.rows:
            raise DataError(f"{self.source} - no images - 0 were found in it - check what it holds")
        check_joined(self.source, self.columns["label"], self.rows)
        for name in ("split", "group"):
            if "" in self.columns.get(name, ()):
                self.columns[f"given_{name}"] = self.columns.pop(name)
        pq.write_table(pa.table(self.columns), folder / "index.parquet")


def unpack_once(
    source: str,
    files: Sequence[tuple[str, str]],
    options: Sequence[object],
    write: Callable[[Writer], Sequence[str]],
) -> Unpacked:
    """Unpack into the cache, or find what was unpacked before from the same bytes.

    It is written to a folder beside and renamed when whole: an interrupted call leaves nothing
    that a later one would take for whole, and two at a time do not meet.

    Args:
        source: What is unpacked, for messages.
        files: Name and path of each file it consists of.
        options: What else decides on what is written.
        write: Writes all of it below `writer.folder / "files"`, and what it likes beside; returns
            what is worth knowing, one sentence each, without places.

    Returns:
        Where it is now.

    Raises:
        DataError: When a file cannot be read, or the cache cannot be written.
    """
    hashes = content_hashes([path for _, path in files])
    parts = [FORMAT, *options, *zip((name for name, _ in files), hashes, strict=True)]
    key = hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()
    folder = cache_folder("unpacked", key)
    notes = _whole(folder)
    if notes is None:
        packed = sum(Path(path).stat().st_size for _, path in files)
        try:
            notes = _unpack(source, packed, folder, write)
        except OSError as error:
            reason = f"{error.strerror or error} ({folder.parent})"
            todo = advice_for(error, "set ADAPT_CACHE to another folder")
            raise DataError(f"{source} - cannot be unpacked - {reason} - {todo}") from error
    return Unpacked(source, str(folder.absolute()), notes)


def _unpack(
    source: str, packed: int, folder: Path, write: Callable[[Writer], Sequence[str]]
) -> tuple[str, ...]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_over(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        files = temporary / "files"
        files.mkdir()
        writer = Writer(source, packed, files)
        notes = tuple(write(writer))
        record = {"files": writer.count, "bytes": writer.total, "notes": notes}
        (temporary / "unpacked.json").write_text(json.dumps(record), encoding="utf-8")
        _settle(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return notes


def _settle(temporary: Path, folder: Path) -> None:
    """Give the finished folder its name, unless another process was faster."""
    for _ in range(2):
        try:
            temporary.rename(folder)
            return
        except OSError:
            if not folder.is_dir():
                raise
        if _whole(folder) is not None:
            return
        aside = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
        folder.rename(aside / "files")
        shutil.rmtree(aside, ignore_errors=True)


def _whole(folder: Path) -> tuple[str, ...] | None:
    """The notes of an unpacked source, or None when it is not there or files have gone since."""
    try:
        record: dict[str, Any] = json.loads((folder / "unpacked.json").read_text(encoding="utf-8"))
        sizes = [
            entry.stat().st_size
            for place, _, _ in os.walk(folder / "files")
            for entry in os.scandir(place)
            if entry.is_file()
        ]
        if (len(sizes), sum(sizes)) == (record["files"], record["bytes"]):
            return tuple(record["notes"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _remove_left_over(parent: Path) -> None:
    for left in [*parent.glob(".new-*"), *parent.glob(".old-*")]:
        try:
            if time.time() - left.stat().st_mtime > LEFT_OVER:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue
