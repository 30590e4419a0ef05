"""Splits of images with several labels: iterative stratification, pure functions of contents.

Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, ECML 2011: the rarest
label first, each of its images to the part that lacks most of this label.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from adapt.data.labels.label_sets import LabelSet
from adapt.data.splits.groups import NO_FOLD
from adapt.data.splits.stratified import rank_of
from adapt.errors import RecipeError


def iterative_split(
    label_sets: Sequence[LabelSet], fraction: float, seed: int, units: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Set a fraction of the images of each label aside, as nearly as their sets allow.

    Every label keeps an image in the first part.

    Args:
        label_sets: Labels of each image; some may have none.
        fraction: Fraction for the second part, from 0 up to, not including, 1.
        seed: Another seed, another split.
        units: What stays together: the content of each image, or its group.

    Returns:
        Indices of both parts, each sorted, int64; the second may be empty.

    Raises:
        RecipeError: When the fraction is out of range.

    >>> sets = [("a",), ("a", "b"), ("b",), ("a", "b")]
    >>> [part.tolist() for part in iterative_split(sets, 0.5, 0, list("1234"))]
    [[1, 3], [0, 2]]
    """
    if not 0 <= fraction < 1:
        advice = "give a fraction from 0 up to, not including, 1"
        raise RecipeError(f"fraction - out of range - {fraction!r} - {advice}")
    parts = [1 - fraction, fraction] if fraction else [1.0]
    content = _content(label_sets, units)
    home = _dealt(content, parts, seed, "split")
    homes = _homes(content)
    for label in sorted(homes):
        if 0 not in {home[unit] for unit in homes[label]}:
            home[min(homes[label], key=lambda unit: rank_of(seed, "split", unit))] = 0
    held = np.array([home[unit] == 1 for unit in units], bool)
    return np.flatnonzero(~held), np.flatnonzero(held)


def iterative_folds(
    label_sets: Sequence[LabelSet], folds: int, seed: int, units: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Number the folds of a cross-validation, the images of each label spread evenly.

    What alone has a label gets no fold: it is in train of every fold and tested in none, as in
    `adapt.data.splits.groups.scored_folds`.

    Args:
        label_sets: Labels of each image; some may have none.
        folds: How many, 2 or more.
        seed: Another seed, other folds.
        units: See `iterative_split`.

    Returns:
        Fold of each image, 0 to `folds` - 1 or -1 for none, int64; and the labels for whose sake
        images have none, sorted.

    Raises:
        RecipeError: When there are fewer units than folds.
    """
    content = _content(label_sets, units)
    needed = {label for label, own in _homes(content).items() if len(own) == 1}
    free = {unit: own for unit, own in content.items() if not needed & own.keys()}
    if not 2 <= folds <= len(free):
        given = f"{folds} for {len(free)} images or groups that hold no label alone"
        advice = "add images, or hold out a fraction of them"
        raise RecipeError(f"folds - out of range - {given} - {advice}")
    home = dict.fromkeys(content, NO_FOLD) | _dealt(free, [1 / folds] * folds, seed, "folds")
    for label, own in sorted(_homes(free).items()):
        if len({home[unit] for unit in own}) == 1 and NO_FOLD not in {home[unit] for unit in own}:
            home[min(own, key=lambda unit: rank_of(seed, "folds", unit))] = NO_FOLD
            needed.add(label)
    return np.array([home[unit] for unit in units], np.int64), sorted(needed)


def _content(label_sets: Sequence[LabelSet], units: Sequence[str]) -> dict[str, Counter[str]]:
    """How often each label is in each unit."""
    content: dict[str, Counter[str]] = defaultdict(Counter)
    for labels, unit in zip(label_sets, units, strict=True):
        content[unit].update(labels)
    return dict(content)


def _homes(content: dict[str, Counter[str]]) -> dict[str, list[str]]:
    """The units that hold each label."""
    homes: dict[str, list[str]] = defaultdict(list)
    for unit in content:
        for label in content[unit]:
            homes[label].append(unit)
    return dict(homes)


def _dealt(
    content: dict[str, Counter[str]], parts: list[float], seed: int, purpose: str
) -> dict[str, int]:
    """Part of each unit; `parts` are the wanted fractions."""
    order = sorted(content, key=lambda unit: (rank_of(seed, purpose, unit), unit))
    total: Counter[str] = sum((content[unit] for unit in order), Counter())
    wanted = {label: [count * part for part in parts] for label, count in total.items()}
    room = [len(order) * part for part in parts]
    left, home = dict(total), dict[str, int]()
    holders = {label: [u for u in order if label in content[u]] for label in total}

    def put(unit: str, part: int) -> None:
        home[unit] = part
        room[part] -= 1
        for label, count in content[unit].items():
            wanted[label][part] -= count
            left[label] -= count

    while open_labels := [label for label, count in left.items() if count > 0]:
        rarest = min(open_labels, key=lambda label: (left[label], label))
        for unit in holders[rarest]:
            if unit not in home:
                lacking = wanted[rarest]
                put(unit, max(range(len(parts)), key=lambda p: (lacking[p], room[p], -p)))
    for unit in order:
        if unit not in home:
            put(unit, max(range(len(parts)), key=lambda p: (room[p], -p)))
    return home
