"""Several labels on one image where one is expected: recognised, with how to declare them."""

from collections import Counter
from collections.abc import Mapping, Sequence

from adapt.errors import DataError

ADVICE = (
    "one label per image is expected here: keep one, or declare several of a table, in a recipe "
    '`{kind: table, path: ..., separator: "|"}` or `label_columns: auto`, in a command '
    "`--separator '|'` (docs/several_labels.md)"
)
SEPARATORS = "|;,"
FEWEST, FRACTION = 2, 0.01
ZERO_ONE = frozenset({"0", "1", "0.0", "1.0", "true", "false"})


def several_labels(where: str, given: str) -> DataError:
    """The error for images with several labels where none were declared."""
    return DataError(f"{where} - several labels for one image - {given} - {ADVICE}")


def check_joined(name: str, labels: Sequence[str], rows: Sequence[str]) -> None:
    """Refuse labels that are lists written as text: `cat|dog`, `cat;dog`, `cat, dog`, `['cat']`.

    A label counts as joined when each of its parts is a label by itself or part of another
    joined label, so that a class called `salt, pepper` is not. At least two rows, and 1 % of all,
    must be so.

    Args:
        name: Table or data set, for the message.
        labels: Label of each row.
        rows: What to call each row.

    Raises:
        DataError: Naming the first such row.

    >>> check_joined("t.csv", ["salt, pepper", "salt, pepper", "oil"], ["1", "2", "3"])
    >>> check_joined("t.csv", ["cat|dog", "cat", "dog", "dog|cat"], ["1", "2", "3", "4"])
    Traceback (most recent call last):
    adapt.errors.DataError: t.csv, 1, column 'label' - several labels for one image - 'cat|dog', \
and 2 of 4 rows are like it - ...
    """
    many = max(FEWEST, FRACTION * len(labels))
    for joined in (_lists(labels), *(_joined(labels, separator) for separator in SEPARATORS)):
        like = [row for row, label in enumerate(labels) if label in joined]
        if len(like) >= many:
            given = f"{labels[like[0]]!r}, and {len(like)} of {len(labels)} rows are like it"
            raise several_labels(f"{name}, {rows[like[0]]}, column 'label'", given)


def _lists(labels: Sequence[str]) -> set[str]:
    return {label for label in set(labels) if label.startswith("[") and label.endswith("]")}


def _joined(labels: Sequence[str], separator: str) -> set[str]:
    parts = {
        label: {part.strip() for part in label.split(separator)}
        for label in set(labels)
        if separator in label
    }
    known = set(labels) - parts.keys()
    met = Counter(part for several in parts.values() for part in several)
    known |= {part for part, count in met.items() if count > 1}
    return {label for label, several in parts.items() if len(several) > 1 and several <= known}


def one_hot_columns(columns: Mapping[str, Sequence[str] | None]) -> list[str]:
    """Names of the columns that hold nothing but 0 and 1 (or true and false), when several do.

    Args:
        columns: Cells by name, as text.

    >>> one_hot_columns({"cat": ["0", "1"], "dog": ["1", "0"], "age": ["3", "4"]})
    ['cat', 'dog']
    """
    binary = [
        name for name, cells in columns.items() if cells and {c.lower() for c in cells} <= ZERO_ONE
    ]
    return binary if len(binary) > 1 else []
