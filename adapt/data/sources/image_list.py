"""Labelled images: where they lie, what they are called, how they are opened.

Labels are names, never numbers: a class index exists only relative to a list of class names.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from adapt.common.content import content_hash
from adapt.data.decoding.open import open_image
from adapt.data.labels.classes import ClassName, name_classes, normal, read_classes
from adapt.data.labels.naming import GivenClasses as GivenClasses
from adapt.data.labels.naming import choose_folder, class_positions, given_names
from adapt.data.sources.folders import walk_classes, walk_images
from adapt.data.sources.tables import Table, frame_table, read_table, resolve_paths, rows_of_split
from adapt.errors import DataError

if TYPE_CHECKING:
    from adapt.data.shifts.shift import Shift

EMBEDDED = Path(__file__).parents[1] / "embedded"


@dataclass(repr=False)
class Images:
    """A list of labelled images, opened one by one on demand.

    Raises:
        DataError: When there is no image, or the lists differ in length.
    """

    paths: list[str]
    """Absolute paths."""
    labels: list[str]
    """Class key of each image: the name of its folder, or its label in the table (Unicode NFC)."""
    groups: list[str] | None
    """Group of each image; a split never cuts a group."""
    splits: list[str] | None
    """Split of each image, as the table says."""
    root: str
    """Absolute folder above all the images."""
    classes: dict[str, ClassName]
    """Words of each class, by key."""
    shift: "Shift | None" = None
    """Corruption applied to each image when it is opened."""
    notes: list[str] = field(default_factory=list)
    """What was left out or is worth knowing, one sentence each."""
    columns: dict[str, list[str]] = field(default_factory=dict)
    """Other columns of the table, by name: metadata to report by, captions to train on."""

    def __post_init__(self) -> None:
        if not self.paths:
            raise DataError(f"{self.root} - no images - 0 given - add images")
        named = {"labels": self.labels, "groups": self.groups, "splits": self.splits}
        for name, values in (named | self.columns).items():
            if values is not None and len(values) != len(self.paths):
                given = f"{len(values)} for {len(self.paths)} images"
                raise DataError(f"{self.root} - wrong number of {name} - {given} - give one each")
        self.classes = name_classes({*self.labels, *self.classes}, self.classes)

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        shift = f", shift={self.shift}" if self.shift else ""
        return f"Images({len(self)} in {len(set(self.labels))} classes, root={self.root!r}{shift})"

    @classmethod
    def from_folder(cls, root: str | Path, classes: GivenClasses = None) -> "Images":
        """Images in one folder for each class; see `adapt.data.sources.image_list.from_folder`."""
        return from_folder(root, classes)

    @classmethod
    def from_table(
        cls,
        path: str | Path,
        root: str | Path | None = None,
        split: str | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images listed in a CSV or Parquet file; see `adapt.data.sources.image_list.from_table`."""
        return from_table(path, root, split, classes)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        root: str | Path,
        split: str | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images listed in a pandas table; see `adapt.data.sources.image_list.from_frame`."""
        return from_frame(frame, root, split, classes)

    @classmethod
    def from_archive(
        cls,
        path: str | Path,
        table: str | None = None,
        split: str | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images in a zip or tar archive; see `adapt.data.sources.archives.from_archive`."""
        from adapt.data.sources.archives import from_archive

        return from_archive(path, table, split, classes)

    @classmethod
    def from_shards(
        cls,
        path: str | Path,
        split: str | None = None,
        class_list: str | Path | Sequence[str] | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images in WebDataset shards; see `adapt.data.sources.shards.from_shards`."""
        from adapt.data.sources.shards import from_shards

        return from_shards(path, split, class_list, classes)

    @classmethod
    def from_hub(
        cls,
        path: str | Path,
        split: str | None = None,
        image: str | None = None,
        label: str | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images of a Hugging Face data set on disk; see `adapt.data.sources.hub.from_hub`."""
        from adapt.data.sources.hub import from_hub

        return from_hub(path, split, image, label, classes)

    @classmethod
    def combine(cls, parts: "Sequence[Images]", names: Sequence[str] | None = None) -> "Images":
        """Images of several sources as one; see `adapt.data.sources.combine.combine`."""
        from adapt.data.sources.combine import combine

        return combine(parts, names)

    @classmethod
    def from_embedded(cls, name: str, domain: str, split: str) -> "Images":
        """Images that ship with `adapt`; see `adapt.data.sources.image_list.from_embedded`."""
        return from_embedded(name, domain, split)

    @property
    def class_names(self) -> list[str]:
        """Keys of the classes that occur here, sorted."""
        return sorted(set(self.labels))

    def counts(self) -> dict[str, int]:
        """Number of images of each class, by sorted key."""
        return dict(sorted(Counter(self.labels).items()))

    def subset(self, indices: Iterable[int] | np.ndarray) -> "Images":
        """The images at these positions, in this order; shift, words and notes stay.

        Args:
            indices: Positions, at least one.

        Returns:
            New `Images`.

        Raises:
            DataError: When there are none.
        """
        chosen = [int(index) for index in indices]

        def pick(values: list[str] | None) -> list[str] | None:
            return None if values is None else [values[index] for index in chosen]

        return replace(
            self,
            paths=[self.paths[index] for index in chosen],
            labels=[self.labels[index] for index in chosen],
            groups=pick(self.groups),
            splits=pick(self.splits),
            classes=dict(self.classes),
            notes=list(self.notes),
            columns={
                name: [values[index] for index in chosen] for name, values in self.columns.items()
            },
        )

    def with_shift(self, shift: "Shift | None") -> "Images":
        """The same images, corrupted when opened (None: clean)."""
        return replace(self, shift=shift, notes=list(self.notes))

    def targets(self, class_names: list[str]) -> np.ndarray:
        """Position of each image's class in a list of class names, joined by name.

        Args:
            class_names: Class keys, in the order of the classifier's outputs.

        Returns:
            int64 array, shape (len(self),).

        Raises:
            DataError: When a class is not in the list, naming it and one of its files.
        """
        return class_positions(self.labels, class_names, self.paths)

    def relative(self, index: int) -> str:
        """Path below the root with `/`, in Unicode NFC: the same name on every system."""
        return normal(Path(os.path.relpath(self.paths[index], self.root)).as_posix())

    def open(self, index: int, at_least: int | None = None) -> Image.Image:
        """Decode one image to RGB and corrupt it if there is a shift.

        The corruption depends on the file's content: wherever it lies, its noise is the same.

        Args:
            index: Position.
            at_least: For training views alone; see `open_image`. Ignored under a shift.

        Returns:
            RGB image of its own size.

        Raises:
            ImageError: When it cannot be read (a `DataError`).
        """
        image = open_image(self.paths[index], at_least=None if self.shift else at_least)
        if self.shift is None:
            return image
        from adapt.data.shifts.shift import apply_shift, shift_seed

        seed = shift_seed(content_hash(self.paths[index]))
        pixels = apply_shift(np.asarray(image), self.shift.kind, self.shift.severity, seed)
        return Image.fromarray(pixels)


def from_folder(root: str | Path, classes: GivenClasses = None) -> Images:
    """Images in one folder for each class; folders below a class folder belong to it.

    Args:
        root: Folder that holds the class folders.
        classes: Words and prompts of the classes: a YAML file or a dict; folder names if None.

    Returns:
        Images sorted by class, then path.

    Raises:
        DataError: See `walk_classes` and `read_classes`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "cat").mkdir()
    ...     Image.new("RGB", (2, 2)).save(Path(folder, "cat", "1.png"))
    ...     from_folder(folder).counts()
    {'cat': 1}
    """
    found = walk_classes(root)
    labels = [label for label, _ in found.files]
    names, notes = given_names(classes, labels)
    base = os.path.abspath(root)  # noqa: PTH100 (Path.absolute() keeps `..`)
    paths = [path for _, path in found.files]
    return Images(paths, labels, None, None, base, names, notes=found.notes() + notes)


def from_unlabelled(root: str | Path) -> Images:
    """Every image below a folder, whatever the folders are called; all get the label `unknown`.

    Args:
        root: Folder of images, in folders or not.

    Raises:
        DataError: When it is no folder, or holds no image.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (2, 2)).save(Path(folder, "1.png"))
    ...     from_unlabelled(folder).counts()
    {'unknown': 1}
    """
    base = os.path.abspath(root)  # noqa: PTH100 (Path.absolute() keeps `..`)
    paths = [str(path) for path in walk_images(base)]
    if not paths:
        raise DataError(f"{root} - no images - given as unknown images - check the folder")
    return Images(paths, ["unknown"] * len(paths), None, None, base, {})


def from_table(
    path: str | Path,
    root: str | Path | None = None,
    split: str | None = None,
    classes: GivenClasses = None,
) -> Images:
    r"""Images listed in a CSV or Parquet file with the columns `path,label[,split,group]`.

    Args:
        path: The table.
        root: Folder that the paths start from and stay under; the table's own if None.
        split: Take only the rows whose `split` is this.
        classes: Words and prompts of the classes: a YAML file or a dict; labels if None.

    Returns:
        Images sorted by class, then path: the same as `from_folder` gives for the same files.

    Raises:
        DataError: See `read_table` and `resolve_paths`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (2, 2)).save(Path(folder, "1.png"))
    ...     _ = Path(folder, "labels.csv").write_text("path,label\n1.png,cat\n")
    ...     from_table(Path(folder, "labels.csv")).counts()
    {'cat': 1}
    """
    return _from_rows(read_table(path), Path(path).parent if root is None else root, split, classes)


def from_frame(
    frame: pd.DataFrame,
    root: str | Path,
    split: str | None = None,
    classes: GivenClasses = None,
) -> Images:
    """Images listed in a pandas table; see `from_table`.

    Args:
        frame: Columns `path,label[,split,group]`.
        root: Folder that the paths start from and stay under.
        split: Take only the rows whose `split` is this.
        classes: Words and prompts of the classes: a YAML file or a dict; labels if None.

    Returns:
        Images sorted by class, then path.

    Raises:
        DataError: See `frame_table` and `resolve_paths`.

    >>> from_frame(pd.DataFrame({"file": ["1.png"], "label": ["cat"]}), ".")
    Traceback (most recent call last):
    adapt.errors.DataError: <frame> - no column 'path' - given ['file', 'label'] - name the \
columns path,label[,split,group]
    """
    return _from_rows(frame_table(frame), root, split, classes)


def _from_rows(table: Table, root: str | Path, split: str | None, classes: GivenClasses) -> Images:
    base = os.path.abspath(root)  # noqa: PTH100 (Path.absolute() keeps `..`)
    paths = resolve_paths(table, base)
    rows = range(len(paths)) if split is None else rows_of_split(table, split)
    order = sorted(rows, key=lambda row: (table.label[row], paths[row]))
    labels = [table.label[row] for row in order]
    names, notes = given_names(classes, labels)

    def pick(values: list[str] | None) -> list[str] | None:
        return None if values is None else [values[row] for row in order]

    return Images(
        paths=[paths[row] for row in order],
        labels=labels,
        groups=pick(table.group),
        splits=pick(table.split),
        root=base,
        classes=names,
        notes=notes,
        columns={name: [values[row] for row in order] for name, values in table.others.items()},
    )


def from_embedded(name: str, domain: str, split: str) -> Images:
    """Images that ship with `adapt`.

    Args:
        name: Data set, such as `pictograms`.
        domain: Such as `outline`.
        split: `train` or `test`.

    Returns:
        Images with the data set's own words.

    Raises:
        DataError: When there is no such set, domain or split; the message lists what there is.

    >>> from_embedded("pictogram", "outline", "train")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    adapt.errors.DataError: ... - no such embedded data set - 'pictogram'...
    """
    folder = choose_folder("data set", name, EMBEDDED)
    names = folder / "classes.yaml"
    images = from_folder(
        choose_folder("split", split, choose_folder("domain", domain, folder)),
        read_classes(names) if names.is_file() else None,
    )
    # The embedded domains share one list of words; a class that one lacks is no mistake.
    images.notes = [note for note in images.notes if "named classes" not in note]
    return images
