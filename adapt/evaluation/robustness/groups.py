"""Accuracy by the values of metadata columns: who is served badly, and how badly."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from adapt.data.loading.groups import NO_VALUE as NO_VALUE
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, did_you_mean
from adapt.evaluation.metrics.intervals import WILSON, proportion_interval

GROUP = "group"
"""Name of the column that keeps images together when a set is split."""
RANKED_FROM = 20
"""Images a group needs to be called the worst or the best: with fewer, luck decides."""
MOST_VALUES = 50
"""Different values above which a column is taken for captions or numbers, unless asked for."""


class GroupRow(TypedDict):
    """One group: accuracies from 0 to 1; `before` is the start's accuracy on the same images."""

    value: str
    n: int
    accuracy: float
    ci: list[float] | None
    before: float
    ranked: bool


class GroupTable(TypedDict):
    """All groups of a column; `gap` is best minus worst accuracy, both among ranked groups only."""

    worst: str | None
    gap: float | None
    rows: list[GroupRow]


def group_table(
    values: Sequence[str],
    right: npt.ArrayLike,
    before: npt.ArrayLike,
    interval: str = WILSON,
) -> GroupTable:
    """Accuracy of each group with its 95 % interval, and the worst group.

    Groups under 20 images are listed, not ranked: the worst of many small ones is mostly bad luck.

    Args:
        values: The group of each image; images with an empty one are the group `(none)`.
        right: Shape (N,), 1 where the model is right.
        before: Shape (N,), 1 where the start is right.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        `rows` sorted by value, `(none)` last; `worst`, the first of equals, None without a ranked
        group; `gap`, None with fewer than two of these.

    Raises:
        DataError: When the lengths differ, or not one image has a value.
    """
    now, then = (np.asarray(answers, dtype=np.float64) for answers in (right, before))
    if now.shape != (len(values),) or then.shape != now.shape:
        raise DataError(
            f"groups - not one per image - {len(values)} values for shapes {now.shape} and "
            f"{then.shape} - give one value, right and before for each image"
        )
    if not any(values):
        raise DataError(
            f"groups - no values - {len(values)} empty cells - fill the column in or leave it out"
        )
    named = np.array([value or NO_VALUE for value in values])
    rows = []
    for value in sorted(set(named.tolist()), key=lambda value: (value == NO_VALUE, value)):
        own = now[named == value]
        rows.append(
            GroupRow(
                value=value,
                n=len(own),
                accuracy=float(own.mean()),
                ci=proportion_interval(float(own.sum()), len(own), interval),
                before=float(then[named == value].mean()),
                ranked=len(own) >= RANKED_FROM,
            )
        )
    ranked = sorted((row for row in rows if row["ranked"]), key=lambda row: row["accuracy"])
    return GroupTable(
        worst=ranked[0]["value"] if ranked else None,
        gap=ranked[-1]["accuracy"] - ranked[0]["accuracy"] if len(ranked) > 1 else None,
        rows=rows,
    )


def columns_of(images: ImageList) -> dict[str, list[str]]:
    """All metadata columns of a set, by name; its groups, if it has some, are called `group`."""
    return images.columns | ({GROUP: images.groups} if images.groups is not None else {})


def group_columns(images: ImageList, names: Iterable[str] | None = None) -> dict[str, list[str]]:
    """The columns to report a set by.

    Args:
        images: The set.
        names: Columns that were asked for; those the set lacks are left out. None takes every
            column that sorts images into 2 to 50 groups of two or more on average.

    Returns:
        Values by column, aligned with the images.
    """
    columns = columns_of(images)
    if names is not None:
        return {name: columns[name] for name in names if name in columns}
    most = min(MOST_VALUES, len(images) // 2)
    return {name: cells for name, cells in columns.items() if 2 <= len(set(cells)) <= most}


def check_group_columns(names: Iterable[str], evals: Mapping[str, ImageList]) -> None:
    """Check, before anything is trained, that every column asked for can be reported.

    Args:
        names: Columns.
        evals: Test sets by name; not each needs every column.

    Raises:
        DataError: When no set has a column of that name, or one has it without any value.
    """
    columns = {name: columns_of(images) for name, images in evals.items()}
    known = sorted({column for own in columns.values() for column in own})
    for name in names:
        if name not in known:
            raise DataError(
                f"groups - no such column - {name!r}{did_you_mean(name, known)} - the evals have: "
                f"{', '.join(known) or 'none'}"
            )
        empty = [split for split, own in columns.items() if name in own and not any(own[name])]
        if empty:
            raise DataError(
                f"groups - no values - column {name!r} of eval {empty[0]!r} is empty - fill it in "
                "or leave it out"
            )
