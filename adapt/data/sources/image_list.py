"""Labelled images: where they are, what they are called, how they are opened.

Labels are names, never numbers: a class index exists only relative to a list of class names.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image

from adapt.common.content import content_hash
from adapt.data.decoding.open import open_image
from adapt.data.labels.classes import ClassName, name_classes, normal
from adapt.data.labels.label_sets import LabelSet, target_matrix
from adapt.data.labels.naming import class_positions
from adapt.errors import DataError

if TYPE_CHECKING:
    from adapt.data.shifts.shift import Shift


Value = TypeVar("Value")


@dataclass(repr=False)
class ImageList:
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
    label_sets: list[LabelSet] | None = None
    """The labels of each image, where an image may have several or none; `labels` holds them
    joined by `|`, so that equal texts are equal sets."""

    def __post_init__(self) -> None:
        if not self.paths:
            raise DataError(f"{self.root} - no images - 0 given - add images")
        named = {"labels": self.labels, "groups": self.groups, "splits": self.splits}
        sets = {"label_sets": self.label_sets}
        for name, values in (named | sets | self.columns).items():
            if values is not None and len(values) != len(self.paths):
                given = f"{len(values)} for {len(self.paths)} images"
                raise DataError(f"{self.root} - wrong number of {name} - {given} - give one each")
        self.classes = name_classes({*self.class_names, *self.classes}, self.classes)

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        shift = f", shift={self.shift}" if self.shift else ""
        held = f"{len(self)} in {len(self.class_names)} classes"
        return f"{type(self).__name__}({held}, root={self.root!r}{shift})"

    @property
    def class_names(self) -> list[str]:
        """Keys of the classes that occur here, sorted."""
        if self.label_sets is None:
            return sorted(set(self.labels))
        return sorted({label for own in self.label_sets for label in own})

    @property
    def several_labels(self) -> bool:
        """Whether an image may have several labels, or none."""
        return self.label_sets is not None

    @property
    def labels_of_each(self) -> list[LabelSet]:
        """All labels of each image: of most kinds of data one each."""
        return [(label,) for label in self.labels] if self.label_sets is None else self.label_sets

    def counts(self) -> dict[str, int]:
        """Number of images of each class, by sorted key."""
        return dict(sorted(Counter(key for own in self.labels_of_each for key in own).items()))

    def subset(self, indices: Iterable[int] | np.ndarray) -> "ImageList":
        """The images at these positions, in this order; shift, words and notes stay.

        Args:
            indices: Positions, at least one.

        Returns:
            New `ImageList`.

        Raises:
            DataError: When there are none.
        """
        chosen = [int(index) for index in indices]

        def pick(values: list[Value] | None) -> list[Value] | None:
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
            label_sets=pick(self.label_sets),
        )

    def with_shift(self, shift: "Shift | None") -> "ImageList":
        """The same images, corrupted when opened (None: clean)."""
        return replace(self, shift=shift, notes=list(self.notes))

    def targets(self, class_names: list[str]) -> np.ndarray:
        """Position of each image's class in a list of class names, joined by name.

        Args:
            class_names: Class keys, in the order of the classifier's outputs.

        Returns:
            int64 array, shape (len(self),); where an image may have several labels, float32 of 0
            and 1, shape (len(self), len(class_names)).

        Raises:
            DataError: When a class is not in the list, naming it and one of its files.
        """
        if self.label_sets is not None:
            return target_matrix(self.label_sets, class_names, self.paths)
        return class_positions(self.labels, class_names, self.paths)

    def relative(self, index: int) -> str:
        """Path below the root with `/`, in Unicode NFC: the same name on every system."""
        return normal(Path(os.path.relpath(self.paths[index], self.root)).as_posix())

    def open(self, index: int, at_least: int | None = None) -> Image.Image:
        """Decode one image to RGB and corrupt it if there is a shift.

        The corruption depends on the file's content: wherever it is, its noise is the same.

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
