"""Walking a folder of class folders: what is an image, what is junk, what must be refused."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adapt.common.typed import FOLDER, path_to, resolve_path
from adapt.common.words import first_few
from adapt.data.labels.classes import check_names, folded, normal
from adapt.data.labels.naming import GivenClasses, given_names
from adapt.data.sources.base import Source, source
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.split_names import MEANT
from adapt.errors import DataError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif"}
    | {".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".hif"}
)
JUNK = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "@eadir",
        "__macosx",
        "$recycle.bin",
        "#recycle",
        "system volume information",
        "lost+found",
    }
)
SPLIT_NAMES = frozenset(MEANT)


def is_junk(name: str) -> bool:
    """Whether a file or folder was left behind by a system and never holds data.

    >>> is_junk(".DS_Store"), is_junk("._cat.jpg"), is_junk("Thumbs.db"), is_junk("cat.jpg")
    (True, True, True, False)
    """
    return name.startswith(".") or name.lower() in JUNK


def is_image_name(name: str) -> bool:
    """Whether a file is called like an image and is no junk.

    >>> is_image_name("cat.JPG"), is_image_name("._cat.jpg"), is_image_name("cat.txt")
    (True, False, False)
    """
    return Path(name).suffix.lower() in IMAGE_SUFFIXES and not is_junk(name)


def _unsaid(what: object) -> None:
    pass


def walk_images(
    root: str | Path,
    left_out: Callable[[str], object] = _unsaid,
    broken: Callable[[OSError], object] = _unsaid,
) -> Iterator[Path]:
    """Every image file below a folder; junk is left out.

    Folders are listed one by one: the files of a folder come by name, then its folders by name.

    Args:
        root: The folder.
        left_out: Called with the suffix of each file that is no image, or with what else it is.
        broken: Called when a folder cannot be listed, before what follows it.
    """
    for folder, names, files in os.walk(resolve_path(root), onerror=broken):
        names[:] = sorted(name for name in names if not is_junk(name))
        for name in names:
            if os.path.islink(Path(folder, name)):  # noqa: PTH114 (a circle must not stop it)
                left_out("link to a folder")
        for name in sorted(files):
            if is_image_name(name):
                yield Path(folder, name)
            elif not is_junk(name):
                left_out(Path(name).suffix.lower() or "no suffix")


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


@dataclass
class FolderContents:
    """What is in a folder of class folders."""

    files: list[tuple[str, str]] = field(default_factory=list)
    """Class and absolute path of each image, sorted by class, then path."""
    junk: list[str] = field(default_factory=list)
    """Junk files and folders, relative to the root."""
    foreign: Counter[str] = field(default_factory=Counter)
    """Number of files that are not images, by suffix."""
    stray: list[str] = field(default_factory=list)
    """Images beside the class folders."""
    nested: int = 0
    """Images in folders below a class folder."""
    depth: int = 1
    """Deepest level below the root that holds an image; 1 is directly in the class folder."""
    loops: list[str] = field(default_factory=list)
    """Links that lead back to a folder around them, or nowhere."""

    def notes(self) -> list[str]:
        """Say what was left out or is worth knowing, one sentence per kind."""
        notes = []
        if self.junk:
            notes.append(
                f"{len(self.junk)} junk files or folders skipped: {first_few(sorted(self.junk))}"
            )
        if self.foreign:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(self.foreign.items()))
            notes.append(f"{self.foreign.total()} files are not images and were left out: {kinds}")
        if self.stray:
            count = len(self.stray)
            notes.append(
                f"{count} images beside the class folders left out: {first_few(sorted(self.stray))}"
            )
        if self.nested:
            notes.append(f"{self.nested} images come from nested folders, up to {self.depth} deep")
        if self.loops:
            links = first_few(sorted(self.loops))
            notes.append(f"{len(self.loops)} links lead in a circle or nowhere: {links}")
        return notes


def walk_classes(root: str | Path) -> FolderContents:
    """Find the images of a folder that holds one folder per class.

    Hidden and system files are junk; images in folders below a class folder belong to the class.
    Links are followed inside the root only.

    Args:
        root: The folder that holds the class folders.

    Returns:
        Images with their classes in Unicode NFC, and all that was left out.

    Raises:
        DataError: When the root is no folder or has no class folders, two class folders have
            equal names, a class folder has no image, a link leaves the root, or the class folders
            are `train`, `val`, `test`.
    """
    base = os.path.abspath(resolve_path(root))  # noqa: PTH100 (Path.absolute() keeps `..`)
    if not Path(base).is_dir():
        raise DataError(f"{root} - not a folder - given as the root of images - check the path")
    contents = FolderContents()
    walker = _Walker(base, contents)
    folders = []
    for entry in _entries(base):
        if is_junk(entry.name):
            contents.junk.append(entry.name)
        elif walker.is_folder(entry, frozenset({os.path.realpath(base)})):
            folders.append(entry.name)
        elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
            contents.stray.append(entry.name)
        elif _is_file(entry):
            contents.foreign[Path(entry.name).suffix.lower() or "without suffix"] += 1
    _check_folders(base, folders, contents)
    for name in sorted(folders, key=normal):
        walker.walk_class(name)
    contents.files.sort()
    return contents


def _check_folders(base: str, folders: list[str], contents: FolderContents) -> None:
    advice = "make one folder per class and put its images there, or give a table"
    if not folders:
        given = f"{len(contents.stray)} images and no folder beside them"
        raise DataError(f"{base} - no class folders - {given} - {advice}")
    if len(folders) > 1 and all(name.lower() in SPLIT_NAMES for name in folders):
        given = ", ".join(folders)
        advice = f"give one of them as the root, such as {Path(base, folders[0])}"
        raise DataError(f"{base} - these folders are splits, not classes - {given} - {advice}")
    seen: dict[str, str] = {}
    for name in folders:
        first = seen.setdefault(folded(name), name)
        if first != name:
            raise DataError(
                f"{base} - two class folders differ only in case or Unicode form - {first!r} and "
                f"{name!r} ({first!a} and {name!a}) - rename or merge them"
            )
    check_names([normal(name) for name in folders], base)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "check that you may read it"
        raise DataError(f"{folder} - folder cannot be read - {reason} - {advice}") from error


class _Walker:
    def __init__(self, base: str, contents: FolderContents) -> None:
        self.base = base
        self.real_base = os.path.realpath(base)
        self.contents = contents

    def relative(self, path: str) -> str:
        return os.path.relpath(path, self.base)

    def is_folder(self, entry: os.DirEntry[str], around: frozenset[str]) -> bool:
        """Whether to descend; refuses links that leave the root and cuts circles."""
        if not entry.is_symlink():
            return entry.is_dir()
        target = os.path.realpath(entry.path)
        if os.path.commonpath([self.real_base, target]) != self.real_base:
            raise DataError(
                f"{entry.path} - link leaves the root - it leads to {target} - copy the images "
                f"into {self.base}"
            )
        if target in around or not os.path.exists(target):  # noqa: PTH110 (a string at hand)
            self.contents.loops.append(self.relative(entry.path))
            return False
        return entry.is_dir()

    def walk_class(self, name: str) -> None:
        before, left_out = len(self.contents.files), self.contents.foreign.copy()
        self.walk(str(Path(self.base, name)), normal(name), 1, frozenset({self.real_base}))
        if len(self.contents.files) == before:
            other = self.contents.foreign - left_out
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(other.items()))
            given = f"it holds {kinds}" if kinds else "it is empty"
            advice = "add images or remove the folder"
            path = Path(self.base, name)
            raise DataError(f"{path} - class folder without an image - {given} - {advice}")

    def walk(self, folder: str, label: str, depth: int, around: frozenset[str]) -> None:
        around = around | {os.path.realpath(folder)}
        for entry in _entries(folder):
            if is_junk(entry.name):
                self.contents.junk.append(self.relative(entry.path))
            elif self.is_folder(entry, around):
                self.walk(entry.path, label, depth + 1, around)
            elif _is_file(entry):
                self.add(entry, label, depth)

    def add(self, entry: os.DirEntry[str], label: str, depth: int) -> None:
        suffix = Path(entry.name).suffix.lower()
        if suffix not in IMAGE_SUFFIXES:
            self.contents.foreign[suffix or "without suffix"] += 1
            return
        self.contents.files.append((label, entry.path))
        self.contents.depth = max(self.contents.depth, depth)
        self.contents.nested += depth > 1


def from_folder(root: str | Path, classes: GivenClasses = None) -> ImageList:
    """Images in one folder per class; folders below a class folder belong to it.

    Args:
        root: Folder that holds the class folders.
        classes: Words and prompts of the classes: a YAML file or a dict; folder names if None.

    Returns:
        Images sorted by class, then path.

    Raises:
        DataError: See `walk_classes` and `read_classes`.
    """
    contents = walk_classes(root)
    labels = [label for label, _ in contents.files]
    names, notes = given_names(classes, labels)
    base = os.path.abspath(resolve_path(root))  # noqa: PTH100 (Path.absolute() keeps `..`)
    paths = [path for _, path in contents.files]
    return ImageList(paths, labels, None, None, base, names, notes=contents.notes() + notes)


@source("folder")
@dataclass
class FolderSource(Source):
    """A folder with one folder of images per class."""

    root: str = path_to(FOLDER, needed=True)
    """The folder above the class folders."""
    split: str | None = None
    """Folder in it to take, where it holds one per split."""

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; see `from_folder`."""
        return from_folder(Path(self.root, self.split or ""), classes)

    def read_unlabelled(self) -> ImageList:
        """Every image below the folder, whatever the folders in it are called."""
        return self.read(None, "test") if self.split else from_unlabelled(self.root)


def from_unlabelled(root: str | Path) -> ImageList:
    """Every image below a folder, whatever the folders are called; all get the label `unknown`.

    Args:
        root: Folder of images, in folders or not.

    Raises:
        DataError: When it is no folder, or holds no image.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (2, 2)).save(Path(folder, "1.png"))
    ...     from_unlabelled(folder).counts()
    {'unknown': 1}
    """
    base = os.path.abspath(resolve_path(root))  # noqa: PTH100 (Path.absolute() keeps `..`)
    paths = [str(path) for path in walk_images(base)]
    if not paths:
        raise DataError(f"{root} - no images - given as unknown images - check the folder")
    return ImageList(paths, ["unknown"] * len(paths), None, None, base, {})
