"""Validation splits and few-shot draws: pure functions of labels, keys and a seed.

Images are ranked by a hash of their key, so the result does not depend on the order of the files,
and adding a file moves few others.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from adapt.errors import RecipeError


def rank_of(seed: int, purpose: str, key: str) -> str:
    """Where a unit stands among others: a hash of its key, for one seed and one purpose."""
    text = f"{seed}/{purpose}/{key}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _checked_keys(count: int, keys: Sequence[str] | None) -> list[str]:
    if keys is None:
        return [str(index) for index in range(count)]
    if len(keys) != count:
        advice = "give one key per label"
        raise RecipeError(f"keys - wrong length - {len(keys)} for {count} labels - {advice}")
    return list(keys)


def _by_label(labels: Sequence[str], order: Iterable[int]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for index in order:
        members[labels[index]].append(index)
    return {label: members[label] for label in sorted(members)}


def stratified_split(
    labels: Sequence[str],
    fraction: float,
    seed: int,
    groups: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Set a fraction of each class aside for validation.

    Without groups each class gives its exact fraction within one image, and so does the whole. A
    class of one image stays in train, and every class keeps at least one image there. With groups
    (one patient, one camera, one product) a group goes to one side as a whole, chosen so that the
    classes come near their fractions.

    Args:
        labels: Class of each image.
        fraction: Fraction for validation, from 0 up to, not including, 1.
        seed: Another seed, another split.
        groups: Group of each image, or None.
        keys: A stable name of each image, such as its relative path; positions if None.

    Returns:
        Indices of train and of validation, each sorted, int64. Validation may be empty.

    Raises:
        RecipeError: When the fraction or a length is wrong.
    """
    if not 0 <= fraction < 1:
        advice = "give a fraction from 0 up to, not including, 1"
        raise RecipeError(f"fraction - out of range - {fraction!r} - {advice}")
    keys = _checked_keys(len(labels), keys)
    if groups is None:
        chosen = _split_images(labels, fraction, seed, keys)
    elif len(groups) != len(labels):
        given = f"{len(groups)} for {len(labels)} labels"
        raise RecipeError(f"groups - wrong length - {given} - give one group per label")
    else:
        chosen = _split_groups(labels, fraction, seed, groups)
    held = np.zeros(len(labels), dtype=bool)
    held[chosen] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def stratified_folds(
    labels: Sequence[str],
    folds: int,
    seed: int,
    groups: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
) -> np.ndarray:
    """Number the folds of a cross-validation, each class spread over them as evenly as can be.

    The images of a class differ by at most one between two folds, and so do the folds as a whole.
    With groups a whole group goes to one fold, the largest groups first, each to the fold that has
    fewest of its classes.

    Args:
        labels: Class of each image.
        folds: How many, 2 or more.
        seed: Another seed, other folds.
        groups: Group of each image, or None.
        keys: A stable name of each image, such as its relative path; positions if None.

    Returns:
        Fold of each image, 0 to `folds` - 1, int64.

    Raises:
        RecipeError: When there are fewer than two folds, fewer images (or groups) than folds, or a
            length is wrong.

    >>> sorted(stratified_folds(list("aaaabb"), 2, seed=0).tolist())
    [0, 0, 0, 1, 1, 1]
    """
    keys = _checked_keys(len(labels), keys)
    parts = len(set(groups)) if groups is not None else len(labels)
    if not 2 <= folds <= parts:
        what = "groups" if groups is not None else "images"
        raise RecipeError(f"folds - out of range - {folds} for {parts} {what} - give 2 to {parts}")
    number = np.zeros(len(labels), dtype=np.int64)
    if groups is None:
        order = sorted(range(len(labels)), key=lambda index: rank_of(seed, "folds", keys[index]))
        dealt = [index for members in _by_label(labels, order).values() for index in members]
        number[dealt] = np.arange(len(labels)) % folds
        return number
    if len(groups) != len(labels):
        given = f"{len(groups)} for {len(labels)} labels"
        raise RecipeError(f"groups - wrong length - {given} - give one group per label")
    _deal_groups(number, labels, folds, seed, groups)
    return number


def _deal_groups(
    number: np.ndarray, labels: Sequence[str], folds: int, seed: int, groups: Sequence[str]
) -> None:
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    held: list[Counter[str]] = [Counter() for _ in range(folds)]
    order = sorted(members, key=lambda g: (-len(members[g]), rank_of(seed, "folds", g), g))
    for group in order:
        content = Counter(labels[index] for index in members[group])

        def crowd(fold: int, content: Counter[str] = content) -> tuple[int, int, int]:
            same = sum(count * held[fold][label] for label, count in content.items())
            return same, held[fold].total(), fold

        fold = min(range(folds), key=crowd)
        held[fold].update(content)
        number[members[group]] = fold


def _split_images(labels: Sequence[str], fraction: float, seed: int, keys: list[str]) -> list[int]:
    order = sorted(range(len(labels)), key=lambda index: rank_of(seed, "split", keys[index]))
    members = _by_label(labels, order)
    wanted = {label: len(indices) * fraction for label, indices in members.items()}
    counts = {label: min(int(count), len(members[label]) - 1) for label, count in wanted.items()}
    missing = int(np.floor(sum(wanted.values()) + 0.5)) - sum(counts.values())
    # The images that rounding down left over go to the classes that lost most by it.
    shortened = [
        label
        for label in members
        if counts[label] + 1 < len(members[label]) and wanted[label] > counts[label]
    ]
    shortened.sort(key=lambda label: (counts[label] - wanted[label], rank_of(seed, "class", label)))
    for label in shortened[: max(missing, 0)]:
        counts[label] += 1
    return [index for label, indices in members.items() for index in indices[: counts[label]]]


def _split_groups(
    labels: Sequence[str], fraction: float, seed: int, groups: Sequence[str]
) -> list[int]:
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    order = sorted(members, key=lambda group: (rank_of(seed, "group", group), group))
    content = {group: Counter(labels[index] for index in members[group]) for group in order}
    total = Counter(labels)
    held: Counter[str] = Counter()

    def change(group: str) -> float:
        """How much the squared distance from the wanted fractions would grow."""
        return sum(
            count * (count + 2 * (held[label] - total[label] * fraction))
            for label, count in content[group].items()
        )

    def allowed(group: str) -> bool:
        return all(held[c] + count < total[c] for c, count in content[group].items())

    chosen: list[str] = []
    for group in order:
        if fraction > 0 and allowed(group) and change(group) < 0:
            chosen.append(group)
            held.update(content[group])
    possible = [group for group in order if allowed(group)]
    # If every group is larger than the fraction, none was chosen: then take the one that is
    # least too large.
    if fraction > 0 and not chosen and possible:
        chosen = [min(possible, key=change)]
    return [index for group in chosen for index in members[group]]


def sample_shots(
    labels: Sequence[str], shots: int, seed: int, keys: Sequence[str] | None = None
) -> np.ndarray:
    """Draw up to `shots` images of each class.

    A class with fewer gives all it has. Draws are nested: with one seed, the images of 4 shots
    are among those of 8.

    Args:
        labels: Class of each image.
        shots: Images per class, 1 or more.
        seed: Another seed, another draw.
        keys: A stable name of each image, such as its relative path; positions if None.

    Returns:
        Sorted indices, int64.

    Raises:
        RecipeError: When `shots` or the number of keys is wrong.

    >>> sorted("aaab"[i] for i in sample_shots(list("aaab"), 2, seed=0))
    ['a', 'a', 'b']
    """
    if shots < 1:
        raise RecipeError(f"shots - out of range - {shots!r} - give 1 or more")
    keys = _checked_keys(len(labels), keys)
    order = sorted(range(len(labels)), key=lambda index: rank_of(seed, "shots", keys[index]))
    members = _by_label(labels, order)
    chosen = [index for indices in members.values() for index in indices[:shots]]
    return np.array(sorted(chosen), dtype=np.int64)


def sample_fraction(
    labels: Sequence[str], fraction: float, seed: int, keys: Sequence[str] | None = None
) -> np.ndarray:
    """Draw the same fraction of each class, at least one image of each.

    Each class gives its fraction rounded to whole images. Draws are nested: with one seed, the
    images of a tenth are among those of a half. They are drawn in the order of `sample_shots`, so
    that a class gives the same images to both when it gives the same number.

    Args:
        labels: Class of each image.
        fraction: Fraction, above 0 and up to 1.
        seed: Another seed, another draw.
        keys: A stable name of each image, such as its relative path; positions if None.

    Returns:
        Sorted indices, int64.

    Raises:
        RecipeError: When the fraction or the number of keys is wrong.

    >>> sorted("aaaaab"[i] for i in sample_fraction(list("aaaaab"), 0.4, seed=0))
    ['a', 'a', 'b']
    """
    if not 0 < fraction <= 1:
        raise RecipeError(
            f"fraction - out of range - {fraction!r} - give a fraction above 0, up to 1"
        )
    keys = _checked_keys(len(labels), keys)
    order = sorted(range(len(labels)), key=lambda index: rank_of(seed, "shots", keys[index]))
    chosen: list[int] = []
    for indices in _by_label(labels, order).values():
        chosen += indices[: max(1, int(len(indices) * fraction + 0.5))]
    return np.array(sorted(chosen), dtype=np.int64)
