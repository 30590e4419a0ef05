"""A test set taken from the training images, by their content alone."""

from collections.abc import Sequence

from adapt.common.content import content_hashes
from adapt.common.words import plural
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.label_sets import iterative_split
from adapt.data.splits.stratified import stratified_split

LEAST_VAL, LEAST_VAL_PER_CLASS = 50, 5
"""Images that a fifth must hold, in all and per class, to be chosen on; folds are used else."""
FOLDS, FIFTH = 5, 0.2


def set_aside(
    images: ImageList, fraction: float, name: str = "test"
) -> tuple[ImageList, ImageList | None, str]:
    """Set a fraction of each class aside for a test; the same images whatever else is drawn.

    No seed plays a part, so that runs of any seed, and their soup, are tested on images that none
    of them has seen. Copies of one image, and the images of a group, stay together. Where that is
    fewer than one image per class, nothing is set aside.

    Args:
        images: All images to learn from.
        fraction: Fraction to set aside, above 0 and below 1.
        name: What to call the test set in the note.

    Returns:
        The images left, those set aside (None when there are too few), and a note.
    """
    hashes = content_hashes(images.paths)
    rows = _chosen(images, fraction, hashes)
    counted = f"{len(rows)} of {plural(len(images), 'image')} ({100 * fraction:g} %)"
    classes = len(images.class_names)
    if len(rows) < classes:
        return (
            images,
            None,
            (
                f"{name}: nothing is set aside: {counted} would be fewer than one for each of "
                f"{plural(classes, 'class')}; the scores are those of held-out images"
            ),
        )
    chosen = set(rows)
    how = "whole groups" if images.groups is not None else "the same fraction of each class"
    note = f"{name}: {counted} are set aside by their content, {how}: nothing is learned from them"
    left = [index for index in range(len(images)) if index not in chosen]
    return images.subset(left), images.subset(rows), note


def _chosen(images: ImageList, fraction: float, hashes: Sequence[str]) -> list[int]:
    labels, groups = images.labels, images.groups
    # The prefix makes the order another one than that of val, which takes its own images by hash.
    named = [f"test {unit}" for unit in (hashes if groups is None else groups)]
    if images.label_sets is not None:
        return [int(row) for row in iterative_split(images.label_sets, fraction, 0, named)[1]]
    if groups is not None:
        return [int(row) for row in stratified_split(labels, fraction, 0, named, hashes)[1]]
    first: dict[str, int] = {}
    for index, digest in enumerate(hashes):
        first.setdefault(digest, index)
    keys = [f"test {digest}" for digest in first]
    _, held = stratified_split([labels[row] for row in first.values()], fraction, 0, None, keys)
    contents = list(first)
    kept = {contents[row] for row in held}
    return [index for index, digest in enumerate(hashes) if digest in kept]


def automatic_folds(images: ImageList) -> int:
    """The folds that `folds: auto` stands for: 0 where a fifth of the images is enough for val.

    >>> automatic_folds(ImageList(["a"] * 20, ["x"] * 10 + ["y"] * 10, None, None, ".", {}))
    5
    """
    fifth = FIFTH * len(images)
    if fifth >= max(LEAST_VAL, LEAST_VAL_PER_CLASS * len(images.class_names)):
        return 0
    units = images.groups if images.groups is not None else [str(i) for i in range(len(images))]
    homes: dict[str, set[str]] = {}
    for labels, unit in zip(images.labels_of_each, units, strict=True):
        for label in labels:
            homes.setdefault(label, set()).add(unit)
    # What holds a whole class is in train of every fold.
    fixed = {unit for own in homes.values() if len(own) == 1 for unit in own}
    return max(2, min(FOLDS, len(set(units) - fixed)))
