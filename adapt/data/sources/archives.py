"""Zip and tar archives of images, read member by member and unpacked safely.

No member leads out of the folder, none is a link or a device, and none is written beyond the
budgets of `adapt.data.sources.unpacked`: an archive is data and nothing else.
"""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from adapt.common.typed import FILE, path_to, resolve_path
from adapt.common.words import first_few
from adapt.data.labels.naming import GivenClasses
from adapt.data.labels.suffixes import TABLE_SUFFIXES
from adapt.data.sources.base import Source, source
from adapt.data.sources.folders import IMAGE_SUFFIXES, SPLIT_NAMES, from_folder, is_junk
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_table
from adapt.data.sources.unpacked import BLOCK, READ_ERRORS, Limits, Writer, unpack_once
from adapt.errors import DataError, did_you_mean

MAX_HEADER = 1 << 20
"""Most bytes of one extended header of a tar, which are names and times."""
MAX_TAIL = 64 << 20
"""Most bytes after the end mark of a tar."""
TAR_OPENERS: dict[bytes, Callable[[str], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
FOREIGN_STARTS = {
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
}
KINDS = "give a .zip, .tar, .tar.gz, .tar.xz or .tar.bz2"


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    kind: str
    """`file`, `folder`, or what is never unpacked: `link`, `device`, `sparse file`, ..."""
    size: int
    open: Callable[[], BinaryIO]
    """Its bytes; to be read before the next member is asked for."""


class _StrictHeader(tarfile.TarInfo):
    """A header that says when the archive was cut off, where `tarfile` takes it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictHeader":
        """Read one block, and refuse one that is cut off, damaged, or asks for too much memory."""
        if len(buf) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends without an end mark, it was cut off")
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise tarfile.ReadError(f"a header is damaged ({error})") from error
            raise
        if header.size < 0 or (header.type in b"LKxgX" and header.size > MAX_HEADER):
            raise tarfile.ReadError(f"a header claims {header.size} bytes")
        return header


@contextmanager
def _reading(path: str, kind: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except READ_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} - damaged {kind} archive - {reason} - copy it again") from error


def read_members(path: str | Path) -> Iterator[Member]:
    """The members of a zip or tar archive, one by one, recognised by content and not by suffix.

    Args:
        path: The archive.

    Raises:
        DataError: When it is no archive, of a kind that is not read, or damaged.
    """
    name = str(path)
    if not Path(path).is_file():
        raise DataError(f"{name} - no such file - given as an archive - check the path")
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{name} - cannot be read - {reason} - check the file") from error
    for magic, kind in FOREIGN_STARTS.items():
        if start.startswith(magic):
            raise DataError(f"{name} - not a zip or tar archive - it is {kind} - {KINDS}")
    if start.startswith(b"PK"):
        with _reading(name, "zip"):
            yield from _zip_members(name)
    else:
        with _reading(name, "tar"):
            yield from _tar_members(name, start)


def _zip_members(path: str) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            name = _zip_name(entry)
            kind = "folder" if name.endswith(("/", "\\")) else "file"
            if stat.S_ISLNK(mode):
                kind = "link"
            elif stat.S_IFMT(mode) and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                kind = "device"
            elif entry.flag_bits & 1:
                kind = "encrypted file"

            def opened(entry: zipfile.ZipInfo = entry) -> BinaryIO:
                with _reading(path, "zip"):
                    return cast(BinaryIO, archive.open(entry))

            yield Member(name, kind, entry.file_size, opened)


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """The name; some tools write UTF-8 and do not say so."""
    name = entry.orig_filename
    if not entry.flag_bits & 0x800 and not name.isascii():
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            return name
    return name


def _tar_members(path: str, start: bytes) -> Iterator[Member]:
    opener = next((o for magic, o in TAR_OPENERS.items() if start.startswith(magic)), None)
    with cast(BinaryIO, opener(path) if opener else Path(path).open("rb")) as stream:
        with _open_tar(path, stream) as archive:
            place = -1
            while (entry := archive.next()) is not None:
                if archive.offset <= place:
                    raise tarfile.ReadError("a header leads back")
                place, archive.members = archive.offset, []  # else all headers stay in memory

                def opened(entry: tarfile.TarInfo = entry) -> BinaryIO:
                    return cast(BinaryIO, archive.extractfile(entry))

                yield Member(entry.name, _tar_kind(entry), entry.size, opened)
        # To the last byte: only there gzip and xz find out that the bytes are not what was packed.
        tail = 0
        while block := stream.read(BLOCK):
            tail += len(block)
            if tail > MAX_TAIL:
                raise tarfile.ReadError(f"more than {MAX_TAIL} bytes after its end mark")


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]
    """The headers read so far."""


def _open_tar(path: str, stream: BinaryIO) -> _Tar:
    try:
        return _Tar(fileobj=stream, tarinfo=_StrictHeader, encoding="utf-8")
    except tarfile.ReadError as error:
        raise DataError(f"{path} - not a zip or tar archive - {error} - {KINDS}") from error


def _tar_kind(entry: tarfile.TarInfo) -> str:
    if entry.issparse():
        return "sparse file"
    if entry.isreg():
        return "file"
    if entry.isdir():
        return "folder"
    return "link" if entry.issym() or entry.islnk() else "device"


def check_kind(limits: Limits, member: Member) -> None:
    """Refuse what is neither a file nor a folder.

    Raises:
        DataError: Naming the member.
    """
    if member.kind not in ("file", "folder"):
        given = "only files and folders are unpacked"
        todo = "pack it again with the files themselves"
        article = "an" if member.kind.startswith("e") else "a"
        raise limits.refuse(member.name, f"{article} {member.kind}", given, todo)


def from_archive(
    path: str | Path,
    table: str | None = None,
    split: str | None = None,
    classes: GivenClasses = None,
) -> ImageList:
    """Images of a zip or tar archive that holds class folders, or images and a table of them.

    It is unpacked once into the cache. A single folder at the top is passed through.

    Args:
        path: A `.zip`, `.tar`, `.tar.gz`, `.tar.xz` or `.tar.bz2`.
        table: Name of a CSV or Parquet file at its top; class folders if None.
        split: Rows of the table with this `split`, or the folder of this name.
        classes: Words and prompts of the classes: a YAML file or a dict.

    Returns:
        Images sorted by class, then path: the same as the folder that was packed gives.

    Raises:
        DataError: When the archive cannot be read or is not safe to unpack; and as `from_folder`
            and `from_table` do.
    """
    source = str(resolve_path(path))
    if not Path(source).is_file():
        raise DataError(f"{source} - no such file - given as an archive - check the path")
    unpacked = unpack_once(source, [("", source)], ["archive"], _unpack)
    tops = _tops(Path(unpacked.files))
    if table is not None:
        file = _find_table(source, tops, table)
        images = from_table(file, file.parent, split, classes)
    else:
        images = from_folder(_class_folders(source, tops, split), classes)
    images.notes = unpacked.notes + images.notes
    return images


@source("archive")
@dataclass
class ArchiveSource(Source):
    """A zip or tar archive of class folders, or of images and a table."""

    path: str = path_to(FILE, needed=True)
    """The archive."""
    table: str | None = None
    """Name of the table in it; class folders when not given."""
    split: str | None = None
    """Rows of the table, or the folder, to take."""

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; see `from_archive`."""
        return from_archive(self.path, self.table, self.split, classes)


def _unpack(writer: Writer) -> list[str]:
    junk: set[str] = set()
    for member in read_members(writer.source):
        parts = writer.parts(member.name)
        first = next((depth for depth, part in enumerate(parts, start=1) if is_junk(part)), None)
        if first is not None:
            junk.add("/".join(parts[:first]))
            continue
        check_kind(writer, member)
        if member.kind == "folder":
            writer.make_folder(member.name)
            continue
        with member.open() as stream:
            writer.write(member.name, stream, member.size)
    if not writer.count:
        raise DataError(f"{writer.source} - no images - 0 files are in it - check the archive")
    shown = first_few(sorted(junk))
    return [f"{len(junk)} junk files or folders skipped: {shown}"] if junk else []


def _names(folder: Path, folders: bool) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() == folders)


def _tables(folder: Path) -> list[str]:
    known = TABLE_SUFFIXES - {".txt"}  # beside images a text is more often a note
    return [name for name in _names(folder, False) if Path(name).suffix.lower() in known]


def _tops(files: Path) -> list[Path]:
    """The folder of all that was packed; after it, if that holds one only, the folder within."""
    folders = _names(files, True)
    if len(folders) != 1 or _tables(files):
        return [files]
    if any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in _names(files, False)):
        return [files]
    inner = files / folders[0]
    # With images and no folder in it, it is a class folder itself.
    return [files, inner] if _names(inner, True) or _tables(inner) else [files]


def _find_table(source: str, tops: Sequence[Path], table: str) -> Path:
    known = {name: top / name for top in tops for name in _tables(top)}
    if table not in known:
        hint = did_you_mean(table, known)
        advice = f"choose from {', '.join(known) or 'none: no table is at its top'}"
        raise DataError(f"{source} - no such table at its top - {table!r}{hint} - {advice}")
    return known[table]


def _class_folders(source: str, tops: Sequence[Path], split: str | None) -> Path:
    top = tops[-1]
    folders = _names(top, True)
    if split is not None:
        for folder in tops:
            if split in _names(folder, True):
                return folder / split
        hint = did_you_mean(split, folders)
        advice = f"choose from {', '.join(folders) or 'none: it has no folders'}"
        raise DataError(f"{source} - no such split - {split!r}{hint} - {advice}")
    if not folders and _tables(top):
        given = f"images and {', '.join(_tables(top))}"
        advice = f"name its table: table: {_tables(top)[0]}"
        raise DataError(f"{source} - no class folders - {given} - {advice}")
    if len(folders) > 1 and all(name.lower() in SPLIT_NAMES for name in folders):
        given = ", ".join(folders)
        advice = f"choose one: split: {folders[0]}"
        raise DataError(f"{source} - its folders are splits, not classes - {given} - {advice}")
    return top
