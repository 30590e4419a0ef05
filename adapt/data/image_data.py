"""What a method may see while it fits: training images and validation images, never a test set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adapt.common.content import content_hashes
from adapt.common.words import first_few, plural
from adapt.data.labels.naming import GivenClasses
from adapt.data.sources.captions.pairs import has_pairs
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.groups import NO_FOLD, scored_folds
from adapt.data.splits.label_sets import iterative_folds, iterative_split
from adapt.data.splits.stratified import sample_fraction, sample_shots, stratified_split
from adapt.errors import DataError, RecipeError, did_you_mean


@dataclass(repr=False)
class ImageData:
    """Training and validation images of one task; the class order is that of train, sorted.

    Raises:
        DataError: When train has fewer than two classes, unless its images have captions and no
            class; or val a class that train lacks.
    """

    train: ImageList
    val: ImageList | None = None
    notes: list[str] = field(default_factory=list)
    """What is worth knowing about the split, one sentence each."""

    def __post_init__(self) -> None:
        counts = self.train.counts()
        if len(counts) < 2 and not has_pairs(self.train):
            advice = "give images of two or more classes"
            root = self.train.root
            raise DataError(f"{root} - fewer than two classes to train on - {counts} - {advice}")
        if self.val is None:
            return
        check_alike(self.train, self.val, "validation")
        for index, label in _each_label(self.val):
            if label not in counts:
                hint = did_you_mean(label, counts)
                raise DataError(
                    f"{self.val.paths[index]} - validation has a class that train lacks - "
                    f"{label!r}{hint} - add training images of it or remove it from validation"
                )
        lacking = sorted(set(counts) - set(self.val.class_names))
        if lacking:
            shown = first_few(lacking, 10)
            self.notes.append(f"{len(lacking)} classes have no validation image: {shown}")

    def __repr__(self) -> str:
        return f"ImageData(train={self.train!r}, val={self.val!r})"

    @property
    def class_names(self) -> list[str]:
        """Keys of the classes, sorted: the order of a classifier's outputs."""
        return self.train.class_names

    @property
    def several_labels(self) -> bool:
        """Whether an image may have several labels, or none."""
        return self.train.several_labels

    def words(self) -> list[str]:
        """The words for the prompts, one per class, in the order of `class_names`."""
        return [self.train.classes[key].words for key in self.class_names]

    def prompts(self) -> list[tuple[str, ...]]:
        """Sentences given for each class in place of templates, in the order of `class_names`."""
        return [self.train.classes[key].prompts for key in self.class_names]

    @classmethod
    def build(
        cls,
        source: ImageList,
        val_fraction: float | None = 0.2,
        shots: int | None = None,
        seed: int = 0,
        val_source: ImageList | None = None,
        val_shots: int | None = None,
        split_seed: int | None = None,
        fraction: float | None = None,
    ) -> "ImageData":
        """Split off validation, then draw the shots (or a fraction) from what is left for training.

        Validation keeps its full size when few shots are trained on, so that choices made on it
        are steady; `val_shots` makes it small too. Splits, draws and order depend on the contents
        of the files alone: the same images as folder, table or archive are split alike.

        Args:
            source: Images to train on (and to take validation from).
            val_fraction: Fraction for validation; None or 0 for none. Plays no part with
                `val_source`.
            shots: Training images per class; all if None.
            seed: Seed of the split and of both draws.
            val_source: Validation images of their own, or split off otherwise: by date, by a
                column, as an earlier run did (`splits.columns`, `splits.stored`).
            val_shots: Validation images per class; all if None.
            split_seed: Seed of the split alone; `seed` if None.
            fraction: Fraction of each class to train on, at least one image; in place of shots.

        Returns:
            The data to fit on.

        Raises:
            DataError: When the classes do not fit, or nothing is left for validation.
            RecipeError: When a number is out of range, or shots and a fraction are given.
        """
        train, val, notes = source, val_source, []
        if val is None and val_fraction:
            train, val = _split(source, val_fraction, seed if split_seed is None else split_seed)
            notes = [f"{key} has one image: it is in train" for key in _single(source)]
        notes += _crossing_groups(train, val)
        train = draw(train, shots, fraction, seed)
        if shots is not None:
            few = [key for key, count in train.counts().items() if count < shots]
            if few:
                shown = first_few(few, 10)
                notes.append(f"{len(few)} classes have fewer than {shots} images: {shown}")
        if val is not None:
            val = draw(val, val_shots, None, seed)
        return cls(_ordered(train), None if val is None else _ordered(val), notes)

    def folds(self, count: int, seed: int = 0) -> list["ImageData"]:
        """Cross-validation inside train: each fold is the validation set of one of the results.

        An image that is the only one of its class (or a group that holds a whole class) is in
        train of every fold and tested in none; `fold_notes` names the classes.

        Args:
            count: Number of folds, 2 or more.
            seed: Seed of the folds.

        Raises:
            RecipeError: When the number is out of range, or no class can be evaluated.
        """
        number, _ = self._deal(count, seed)
        pairs = [(np.flatnonzero(number != i), np.flatnonzero(number == i)) for i in range(count)]
        return [ImageData(self.train.subset(a), self.train.subset(b)) for a, b in pairs]

    def fold_notes(self, count: int, seed: int = 0) -> list[str]:
        """Which images are never tested by `folds` of the same arguments, if any."""
        number, classes = self._deal(count, seed)
        if not classes:
            return []
        left = int((number == NO_FOLD).sum())
        be, them = ("is", "it") if left == 1 else ("are", "them")
        images = f"{plural(left, 'image')} {be} in train of every fold and tested in none"
        return [f"{images}: without {them} a fold could not learn {first_few(classes, 10)}"]

    def _deal(self, count: int, seed: int) -> tuple[np.ndarray, list[str]]:
        train = self.train
        if train.label_sets is not None:
            return iterative_folds(train.label_sets, count, seed, _units(train))
        return scored_folds(train.labels, count, seed, train.groups, _keys(train))

    @classmethod
    def from_folder(
        cls,
        root: str | Path,
        val: float | str | Path | None = 0.2,
        shots: int | None = None,
        seed: int = 0,
        classes: GivenClasses = None,
    ) -> "ImageData":
        """Data from one folder per class.

        Args:
            root: Folder that holds the class folders.
            val: Fraction of the images for validation, or a second folder, or None.
            shots: Training images per class, drawn after the split; all if None.
            seed: Seed of the split and of the draw.
            classes: Words and prompts of the classes: a YAML file or a dict.

        Returns:
            The data to fit on.

        Raises:
            DataError: See `adapt.data.sources.folders.from_folder` and `build`.
        """
        source = from_folder(root, classes)
        if isinstance(val, (str, Path)):
            return cls.build(source, None, shots, seed, val_source=from_folder(val, classes))
        return cls.build(source, val, shots, seed)


def _keys(images: ImageList) -> list[str]:
    """Names that are the same wherever the images are, so that splits are too."""
    return content_hashes(images.paths)


def _units(images: ImageList) -> Sequence[str]:
    """What a split leaves together: groups, or copies of one image."""
    return _keys(images) if images.groups is None else images.groups


def _each_label(images: ImageList) -> Iterator[tuple[int, str]]:
    for index, labels in enumerate(images.labels_of_each):
        for label in labels:
            yield index, label


def check_alike(train: ImageList, other: ImageList, name: str) -> None:
    """Refuse a set of images with several labels beside one with one label each.

    Args:
        train: What is learned from.
        other: Another set of the task.
        name: What to call it.

    Raises:
        DataError: When only one of the two has several labels.
    """
    if train.several_labels != other.several_labels:
        given = "several in train" if train.several_labels else f"several in {name}"
        advice = "declare both alike, with separator or label_columns"
        raise DataError(f"{other.root} - not the same kind of labels - {given} - {advice}")


def _ordered(images: ImageList) -> ImageList:
    """By class, then content: training sees one order, whatever the images came in."""
    keys = list(zip(images.labels, _keys(images), strict=True))
    return images.subset(sorted(range(len(images)), key=lambda index: keys[index]))


def _single(images: ImageList) -> list[str]:
    return [key for key, count in images.counts().items() if count == 1]


def _split(source: ImageList, fraction: float, seed: int) -> tuple[ImageList, ImageList]:
    if source.label_sets is not None:
        train, val = iterative_split(source.label_sets, fraction, seed, _units(source))
    else:
        train, val = stratified_split(source.labels, fraction, seed, source.groups, _keys(source))
    if len(val) == 0:
        given = f"{fraction} of {len(source)} images, {source.counts()}"
        advice = "add images, take a larger fraction, or give validation images of their own"
        raise DataError(f"{source.root} - nothing left for validation - {given} - {advice}")
    return source.subset(train), source.subset(val)


def draw(images: ImageList, shots: int | None, fraction: float | None, seed: int) -> ImageList:
    """Up to `shots` images of each class, or a fraction of each class, or all.

    Args:
        images: Images.
        shots: Images per class, 1 or more; None for all.
        fraction: Fraction of each class, above 0 and up to 1; None for all.
        seed: Seed of the draw; draws of one seed are nested.

    Raises:
        RecipeError: When a number is out of range, both are given, or shots of images with several
            labels, of which no number per class can be drawn.
    """
    if images.label_sets is not None and shots is not None:
        given = f"{shots} of images with several labels"
        raise RecipeError(f"shots - not defined - {given} - give a fraction")
    if images.label_sets is not None and fraction not in (None, 1):
        units = _units(images)
        return images.subset(
            iterative_split(images.label_sets, 1 - (fraction or 0), seed, units)[0]
        )
    if shots is not None and fraction is not None:
        given = f"{shots} and {fraction}"
        raise RecipeError(f"shots and fraction - both given - {given} - keep one of them")
    if shots is not None:
        return images.subset(sample_shots(images.labels, shots, seed, _keys(images)))
    if fraction is not None:
        return images.subset(sample_fraction(images.labels, fraction, seed, _keys(images)))
    return images


def _crossing_groups(train: ImageList, val: ImageList | None) -> list[str]:
    if val is None or train.groups is None or val.groups is None:
        return []
    both = sorted(set(train.groups) & set(val.groups))
    shown = first_few(both)
    note = f"{len(both)} groups are in both train and val, so val may look too good: {shown}"
    return [note] if both else []
