"""Hard cases of groups: images without one, and classes that are in a single group."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from adapt.data.splits.stratified import stratified_folds
from adapt.errors import RecipeError

NO_FOLD = -1


def own_groups(groups: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Give each image without a group one of its own.

    Args:
        groups: Group of each image; a cell may be empty.
        keys: A stable name of each image, such as the hash of its content: copies of one image
            stay together.

    Returns:
        Group of each image, none empty.

    >>> own_groups(["anna", "", "anna"], ["00", "01", "02"])
    ['anna', 'image 01', 'anna']
    """
    return [
        f"image {key}" if not group.strip() else group
        for group, key in zip(groups, keys, strict=True)
    ]


def scored_folds(
    labels: Sequence[str],
    folds: int,
    seed: int,
    groups: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Folds of which each can be tested: no class is in one of them alone.

    An image that is the only one of its class, or a group that holds a whole class, gets no fold:
    it is in train of every fold and tested in none, since without it the class could not be
    learned. All others are dealt as in `stratified_folds`. Where the groups of a class still meet
    in one fold, the smallest of them gets none.

    Args:
        labels: Class of each image.
        folds: How many, 2 or more.
        seed: Another seed, other folds.
        groups: Group of each image, or None.
        keys: A stable name of each image, such as its relative path; positions if None.

    Returns:
        Fold of each image, 0 to `folds` - 1 or -1 for none, int64; and the classes for whose sake
        images have none, sorted.

    Raises:
        RecipeError: When fewer images (or groups) than folds are left to deal, or a length is
            wrong.
    """
    units = [str(index) for index in range(len(labels))] if groups is None else list(groups)
    homes: dict[str, set[str]] = defaultdict(set)
    for label, unit in zip(labels, units, strict=True):
        homes[label].add(unit)
    needed = {label for label, places in homes.items() if len(places) == 1}
    kept = {unit for label in needed for unit in homes[label]}
    free = [index for index, unit in enumerate(units) if unit not in kept]
    parts, what = len({units[index] for index in free}), "images" if groups is None else "groups"
    if not 2 <= folds <= parts:
        given = f"{folds} for {parts} {what} (without {len(kept)} that hold a whole class)"
        advice = f"give 2 to {parts}" if parts > 1 else "add images, or hold out a fraction of them"
        raise RecipeError(f"folds - out of range - {given} - {advice}")

    def pick(values: Sequence[str] | None) -> list[str] | None:
        return None if values is None else [values[index] for index in free]

    number = np.full(len(labels), NO_FOLD, dtype=np.int64)
    dealt = [labels[index] for index in free]
    number[free] = stratified_folds(dealt, folds, seed, pick(groups), pick(keys))
    needed |= _release(number, labels, units)
    if empty := sorted(set(range(folds)) - set(number.tolist())):
        given = f"{folds}, of which {len(empty)} would be empty"
        raise RecipeError(f"folds - too many for the groups of the classes - {given} - give fewer")
    return number, sorted(needed)


def _release(number: np.ndarray, labels: Sequence[str], units: Sequence[str]) -> set[str]:
    """Take one group out of its fold for each class that is in this fold alone."""
    of_label, of_unit = defaultdict(list), defaultdict(list)
    for index, (label, unit) in enumerate(zip(labels, units, strict=True)):
        of_label[label].append(index)
        of_unit[unit].append(index)
    released = set()
    for label in sorted(of_label):
        places = number[of_label[label]]
        if places[0] != NO_FOLD and (places == places[0]).all():
            own = {units[index] for index in of_label[label]}
            number[of_unit[min(own, key=lambda unit: (len(of_unit[unit]), unit))]] = NO_FOLD
            released.add(label)
    return released
