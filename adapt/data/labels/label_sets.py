"""Several labels on one image, or none: how a table says so, and the numbers that they become."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from adapt.common.words import first_few
from adapt.data.labels.classes import normal
from adapt.data.labels.multi_label import one_hot_columns
from adapt.errors import DataError, did_you_mean

LabelSet = tuple[str, ...]
"""The labels of one image, sorted, each once; empty where it has none."""
JOINER = "|"
"""What stands between them where they are written as one text."""
AUTO = "auto"
"""In place of names of columns: all that hold nothing but 0 and 1."""
TRUE, FALSE = frozenset({"1", "1.0", "true"}), frozenset({"0", "0.0", "false"})


@dataclass(frozen=True)
class LabelColumns:
    """Where a table holds the labels of an image, when there are several.

    Raises:
        DataError: When it says neither, or both, or what it says is empty.

    >>> LabelColumns("|").separator
    '|'
    """

    separator: str | None = None
    """What stands between them in the column `labels` (or `label`)."""
    columns: str | tuple[str, ...] | None = None
    """Columns of 0 and 1, one for each class; `auto` takes all that are so."""

    def __post_init__(self) -> None:
        if (self.separator is None) == (self.columns is None):
            given = f"separator {self.separator!r}, label_columns {self.columns!r}"
            advice = "say where the labels of an image are: separator or label_columns"
            raise DataError(f"several labels - not one of two - {given} - {advice}")
        if self.separator == "":
            advice = 'give a sign such as "|"'
            raise DataError(f"separator - empty - '' - {advice}")
        if self.columns is not None and not self.columns:
            advice = f"name columns of 0 and 1, or give {AUTO}"
            raise DataError(f"label_columns - empty - {self.columns!r} - {advice}")


def label_columns(
    separator: str | None = None, columns: str | Sequence[str] | None = None
) -> LabelColumns | None:
    """What two options of a reader say; None where images have one label each.

    >>> label_columns() is None
    True
    """
    if separator is None and columns is None:
        return None
    named = columns if columns is None or isinstance(columns, str) else tuple(columns)
    return LabelColumns(separator, named)


def labels_said(separator: str | None, columns: str | None) -> LabelColumns | None:
    """What two options of a command say; see `label_columns`.

    Args:
        separator: What stands between labels.
        columns: Names with commas between them, or `auto`.

    Raises:
        DataError: When both are given, or one is empty.

    >>> labels_said(None, "cat, dog").columns
    ('cat', 'dog')
    """
    if columns is None or columns.strip() == AUTO:
        return label_columns(separator, None if columns is None else AUTO)
    return label_columns(separator, [name.strip() for name in columns.split(",") if name.strip()])


def joined(labels: Iterable[str]) -> str:
    """Labels as one text, which sorts and compares as the set does.

    >>> joined(("cat", "dog"))
    'cat|dog'
    """
    return JOINER.join(labels)


def read_label_sets(
    name: str,
    names: Sequence[str],
    cells: Callable[[int], list[str] | None],
    rows: Sequence[str],
    where: LabelColumns,
) -> list[LabelSet]:
    """The labels of every row of a table.

    Args:
        name: The table, for messages.
        names: Its columns, in lower case.
        cells: From the position of a column to its cells as text; None where they are no text.
        rows: Where each row is, for messages.
        where: What holds the labels.

    Raises:
        DataError: When a column is missing, a cell of it says neither 0 nor 1, a label is empty or
            holds `|`, or no image has a label.
    """
    if where.separator is not None:
        sets = _separated(name, names, cells, rows, where.separator)
    else:
        sets = _marked(name, names, cells, rows, where.columns or AUTO)
    for row, labels in zip(rows, sets, strict=True):
        for label in labels:
            if JOINER in label or not label:
                advice = f"name it without {JOINER!r}, and leave no separator over"
                raise DataError(f"{name}, {row} - not a label - {label!r} - {advice}")
    if not any(sets):
        raise DataError(f"{name} - no labels - {len(rows)} rows without one - label some images")
    return sets


def _separated(
    name: str,
    names: Sequence[str],
    cells: Callable[[int], list[str] | None],
    rows: Sequence[str],
    separator: str,
) -> list[LabelSet]:
    there = [column for column in ("labels", "label") if column in names]
    if len(there) != 1:
        given = f"given {list(names)}{did_you_mean('labels', names)}"
        what = "no column 'labels'" if not there else "columns 'labels' and 'label'"
        raise DataError(f"{name} - {what} - {given} - name the column of the labels so")
    values = cells(names.index(there[0]))
    if values is None:
        advice = f"write them as text with {separator!r} between them"
        raise DataError(f"{name}, column {there[0]!r} - not text - lists - {advice}")
    return [
        tuple(sorted({normal(part.strip()) for part in cell.split(separator)}))
        if cell.strip()
        else ()
        for cell in values
    ]


def _marked(
    name: str,
    names: Sequence[str],
    cells: Callable[[int], list[str] | None],
    rows: Sequence[str],
    columns: str | Sequence[str],
) -> list[LabelSet]:
    given = [columns] if isinstance(columns, str) and columns != AUTO else columns
    if given == AUTO:
        given = one_hot_columns({column: cells(names.index(column)) for column in names})
        if not given:
            what = f"columns are {first_few(names, 10)}"
            advice = "name the columns of 0 and 1 in label_columns"
            raise DataError(f"{name} - no columns of 0 and 1 - {what} - {advice}")
    held: list[list[str]] = [[] for _ in rows]
    for column in given:
        wanted = column.strip().lower()
        if wanted not in names:
            known = f"{column!r}{did_you_mean(wanted, names)}"
            raise DataError(f"{name} - no such column - {known} - choose from {first_few(names)}")
        for row, cell in enumerate(cells(names.index(wanted)) or [""] * len(rows)):
            said = cell.strip().lower()
            if said not in TRUE | FALSE:
                place = f"{name}, {rows[row]}, column {column!r}"
                raise DataError(f"{place} - neither 0 nor 1 - {cell!r} - write 0 or 1")
            if said in TRUE:
                held[row].append(normal(column.strip()))
    return [tuple(sorted(set(labels))) for labels in held]


def target_matrix(
    label_sets: Sequence[LabelSet], class_names: Sequence[str], paths: Sequence[str]
) -> np.ndarray:
    """1 where an image has a class, 0 where not; classes are joined by name.

    Args:
        label_sets: Labels of each image.
        class_names: The K class keys, in the order of the classifier's outputs.
        paths: File of each image, for the message.

    Returns:
        float32 array, shape (len(label_sets), K).

    Raises:
        DataError: When a class is not in the list, naming it and one of its files.

    >>> target_matrix([("cat",), ()], ["ant", "cat"], ["1.png", "2.png"])
    array([[0., 1.],
           [0., 0.]], dtype=float32)
    """
    position = {name: index for index, name in enumerate(class_names)}
    matrix = np.zeros((len(label_sets), len(class_names)), np.float32)
    for row, labels in enumerate(label_sets):
        for label in labels:
            if label not in position:
                known = first_few(class_names, 10)
                raise DataError(
                    f"{paths[row]} - unknown class - {label!r}{did_you_mean(label, class_names)} - "
                    f"known are: {known}"
                )
            matrix[row, position[label]] = 1
    return matrix
