"""Images that a table lists: CSV or Parquet with `path,label[,split,group]`, or several labels."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from adapt.common.typed import FILE, FOLDER, path_to, resolve_path
from adapt.common.words import first_few
from adapt.data.labels.label_sets import label_columns
from adapt.data.labels.label_table import LabelTable, frame_table, read_table
from adapt.data.labels.naming import GivenClasses, given_names
from adapt.data.sources.base import Source, source
from adapt.data.sources.folders import SPLIT_NAMES
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, did_you_mean


def resolve_paths(table: LabelTable, root: str) -> list[str]:
    """Absolute paths of a table's images, all of them under `root`.

    Single missing files are left to the check that opens every image.

    Args:
        table: The table.
        root: Absolute folder that relative paths start from.

    Returns:
        One absolute path per row.

    Raises:
        DataError: When a path leads out of the root, or not one file is there.
    """
    real_root = os.path.realpath(root)
    paths = []
    for row, given in zip(table.rows, table.path, strict=True):
        where = f"{table.name}, {row}, column 'path'"
        if "\0" in given:
            raise DataError(f"{where} - not a path - {given!r} - remove the zero byte")
        path = os.path.normpath(Path(root, given))
        if os.path.commonpath([real_root, os.path.realpath(path)]) != real_root:
            raise DataError(
                f"{where} - leads out of the root - {given!r} is not under {root} - move the image "
                "there or give another root"
            )
        paths.append(path)
    if not any(Path(path).is_file() for path in paths):
        advice = "give the folder that the paths start from as root"
        if "\\" in table.path[0]:
            advice = "write / in place of \\"
        given = f"{table.path[0]!r} under {root}"
        raise DataError(f"{table.name} - not one of its images is there - {given} - {advice}")
    return paths


def rows_of_split(table: LabelTable, split: str) -> Sequence[int]:
    """Positions of the rows that belong to one split.

    Args:
        table: The table.
        split: A value of its column `split`.

    Returns:
        Positions, in order.

    Raises:
        DataError: When there is no such column or no such split.

    >>> rows_of_split(LabelTable("t", ["1", "2"], ["a", "a"], ["train", "test"], None, []), "test")
    [1]
    """
    if table.split is None:
        given = f"split {split!r} was asked for"
        raise DataError(f"{table.name} - no column 'split' - {given} - add it or leave split out")
    rows = [index for index, value in enumerate(table.split) if value == split]
    if not rows:
        known = sorted(set(table.split))
        hint = did_you_mean(split, known)
        given = f"{split!r}{hint}"
        raise DataError(f"{table.name} - no such split - {given} - choose from {', '.join(known)}")
    return rows


def from_table(
    path: str | Path,
    root: str | Path | None = None,
    split: str | None = None,
    classes: GivenClasses = None,
    separator: str | None = None,
    columns: str | Sequence[str] | None = None,
) -> ImageList:
    r"""Images listed in a CSV or Parquet file with the columns `path,label[,split,group]`.

    Args:
        path: The table.
        root: Folder that the paths start from and stay under; the table's own if None.
        split: Take only the rows whose `split` is this.
        classes: Words and prompts of the classes: a YAML file or a dict; labels if None.
        separator: For several labels of an image, or none: what stands between them in the column
            `labels` (or `label`), where an empty cell says none.
        columns: For several labels: names of the columns of 0 and 1 in place of `label`, one per
            class, or `auto`.

    Returns:
        Images sorted by class, then path: the same as `from_folder` gives for the same files.

    Raises:
        DataError: See `read_table` and `resolve_paths`.
    """
    base = resolve_path(path).parent if root is None else root
    table = read_table(path, label_columns(separator, columns))
    return _from_rows(table, base, split, classes)


def from_frame(
    frame: pd.DataFrame,
    root: str | Path,
    split: str | None = None,
    classes: GivenClasses = None,
    separator: str | None = None,
    columns: str | Sequence[str] | None = None,
    name: str = "<frame>",
) -> ImageList:
    """Images listed in a pandas table; see `from_table`.

    Args:
        frame: Columns `path,label[,split,group]`.
        root: Folder that the paths start from and stay under.
        split: Take only the rows whose `split` is this.
        classes: Words and prompts of the classes: a YAML file or a dict; labels if None.
        separator: See `from_table`.
        columns: See `from_table`.
        name: What to call the table in messages.

    Raises:
        DataError: See `frame_table` and `resolve_paths`.
    """
    table = frame_table(frame, name, label_columns(separator, columns))
    return _from_rows(table, root, split, classes)


def _from_rows(
    table: LabelTable, root: str | Path, split: str | None, classes: GivenClasses
) -> ImageList:
    base = os.path.abspath(resolve_path(root))  # noqa: PTH100 (Path.absolute() keeps `..`)
    paths = resolve_paths(table, base)
    rows = range(len(paths)) if split is None else rows_of_split(table, split)
    order = sorted(rows, key=lambda row: (table.label[row], paths[row]))
    labels = [table.label[row] for row in order]
    sets = None if table.label_sets is None else [table.label_sets[row] for row in order]
    occur = labels if sets is None else [label for own in sets for label in own]
    names, notes = given_names(classes, occur)
    if table.split is None:
        notes += split_notes(table.others)

    def pick(values: list[str] | None) -> list[str] | None:
        return None if values is None else [values[row] for row in order]

    return ImageList(
        paths=[paths[row] for row in order],
        labels=labels,
        groups=pick(table.group),
        splits=pick(table.split),
        root=base,
        classes=names,
        notes=notes,
        columns={name: [values[row] for row in order] for name, values in table.others.items()},
        label_sets=sets,
    )


def split_notes(columns: Mapping[str, list[str]]) -> list[str]:
    """A sentence for each column that holds splits under another name than `split`.

    Args:
        columns: Cells by name.

    >>> split_notes({"set": ["train", "val", ""], "year": ["1", "2", "3"]})
    ["column 'set' holds train, val, but only a column `split` is read as the split: rename it"]
    """
    held = {name: sorted({cell for cell in cells if cell}) for name, cells in columns.items()}
    return [
        f"column {name!r} holds {first_few(values)}, but only a column `split` is read as the "
        "split: rename it"
        for name, values in held.items()
        if len(values) > 1 and all(value.lower() in SPLIT_NAMES for value in values)
    ]


@source("table")
@dataclass
class TableSource(Source):
    """A table of paths and labels."""

    path: str = path_to(FILE, needed=True)
    """CSV or Parquet table with the columns `path` and `label`."""
    root: str | None = path_to(FOLDER)
    """Where its paths start; the folder of the table when not given."""
    split: str | None = None
    """Rows to take, by the column `split`."""
    separator: str | None = None
    """For several labels of an image, or none: what stands between them in the column `labels`,
    such as `|`; an empty cell says none."""
    label_columns: str | list[str] | None = None
    """For several labels: columns of 0 and 1 in place of `label`, one per class; `auto` takes all
    that hold nothing else."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.separator is not None and self.label_columns is not None:
            raise ValueError(
                f"separator - does not go with label_columns - {self.separator!r} - keep one"
            )
        if self.several_labels and self.shots is not None:
            raise ValueError(
                f"shots - not defined where an image has several labels - {self.shots} - give a "
                "fraction"
            )

    @property
    def several_labels(self) -> bool:
        """Whether it says where several labels of an image are."""
        return self.separator is not None or self.label_columns is not None

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; see `from_table`."""
        several = self.separator, self.label_columns
        return from_table(self.path, self.root, self.split, classes, *several)
