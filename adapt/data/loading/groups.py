"""Groups that a training should serve alike: each class with each value of a column."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapt.common.arrays import IntArray
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.columns import column_of
from adapt.errors import RecipeError

NO_VALUE = "(none)"
"""Images whose cell is empty have this value, and are a group of this name."""


def values_of(
    images: ImageList, column: str, known: Sequence[str] = ()
) -> tuple[IntArray, list[str]]:
    """The number of each image's value in a column, and the values by number.

    Args:
        images: N images of a table.
        column: Its name; an empty one says that all images have the same value.
        known: Values that have numbers already; others follow, sorted.

    Returns:
        Numbers (N,) and the values.

    Raises:
        DataError: When there is no such column.
        RecipeError: When images have several labels, so that no class makes a group with a value.
    """
    if images.several_labels:
        raise RecipeError(
            f"{images.root} - no groups for several labels per image - column {column!r} - leave "
            "the setting `groups` out"
        )
    cells = column_of(images, column) if column else [""] * len(images)
    named = [cell.strip() or NO_VALUE for cell in cells]
    values = [*known, *sorted(set(named) - set(known))]
    place = {value: number for number, value in enumerate(values)}
    return np.array([place[value] for value in named], np.int64), values


@dataclass(frozen=True)
class Groups:
    """The G groups that occur among N images."""

    numbers: IntArray
    """Group of each image, shape (N,), 0 to G - 1."""
    names: list[str]
    """Of each group: its class and value."""

    @property
    def counts(self) -> IntArray:
        """Images of each group, shape (G,)."""
        return np.bincount(self.numbers, minlength=len(self.names))

    @classmethod
    def of(cls, images: ImageList, column: str, class_names: Sequence[str]) -> "Groups":
        """Each class with each value of a column, as far as they occur together.

        Args:
            images: The images.
            column: See `values_of`; without one the classes are the groups.
            class_names: Class keys, in the order of their numbers.

        Raises:
            DataError: When there is no such column, or a class is not known.
            RecipeError: When images have several labels.

        >>> cells = {"x": ["u", ""]}
        >>> images = ImageList(["1", "2"], ["a", "b"], None, None, "/", {}, columns=cells)
        >>> Groups.of(images, "x", ["a", "b"]).names
        ['a, u', 'b, (none)']
        """
        values, named = values_of(images, column)
        targets = images.targets(list(class_names))
        pairs, numbers = np.unique(targets * len(named) + values, return_inverse=True)
        names = [
            f"{class_names[pair // len(named)]}, {named[pair % len(named)]}"
            if column
            else class_names[pair]
            for pair in pairs.tolist()
        ]
        return cls(np.asarray(numbers, np.int64), names)

    def sentence(self) -> str:
        """How many groups there are, and how many images the smallest has.

        >>> Groups(np.array([0, 1, 1]), ["a, u", "b, u"]).sentence()
        '2 groups; the smallest, a, u, has 1 of 3 images'
        """
        least = int(self.counts.argmin())
        return (
            f"{len(self.names)} groups; the smallest, {self.names[least]}, has "
            f"{self.counts[least]} of {len(self.numbers)} images"
        )
