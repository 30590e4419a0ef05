"""Classes of unequal size, too small or missing, and how many images would fix that."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapt.checks.findings.finding import Finding
from adapt.common.words import first_few, plural

MOST_UNEQUAL = 10.0
"""Ratio of the largest class to the smallest above which classes are called unequal."""
FEW = 5
"""Fewest images that a class needs: with fewer, none is left to choose by."""

Counts = Mapping[str, Mapping[str, int]]
"""Images of each class, by split and class key."""


def balance_findings(
    counts: Counts,
    groups: Mapping[str, int] | None = None,
    splits_itself: bool = False,
    several: bool = False,
) -> list[Finding]:
    """Findings about the numbers of images.

    Args:
        counts: Images of each class of each split; the first split is the training set. A class
            that a split lacks may be 0 or left out.
        groups: How many different groups (patients, places) each class of the first split comes
            from; None without groups.
        splits_itself: Whether val is taken from the first split, so that a class of one image or
            of one group cannot be scored.
        several: Whether an image may have several labels, for which other settings help.

    Returns:
        Findings `empty_class` (error), `single_image_class`, `single_group_class`, `small_class`,
        `imbalance` (warnings), `extra_class` (error), `missing_class` (note), in this order, as far
        as they apply. `details` holds the classes with their counts and how many more images they
        need.
    """
    if not counts:
        return []
    first, *others = counts
    learned = {key: count for key, count in sorted(counts[first].items()) if count > 0}
    empty = sorted(key for key, count in counts[first].items() if count <= 0)
    findings = [
        _empty(first, empty),
        _single(first, learned, splits_itself),
        _one_group(first, learned, groups or {}, splits_itself),
        _small(first, learned, several),
        _imbalance(first, learned, several),
        _extra(first, learned, {name: counts[name] for name in others}),
        _missing(learned, {name: counts[name] for name in others}),
    ]
    return [finding for finding in findings if finding is not None]


def images_needed(counts: Mapping[str, int], ratio: float = MOST_UNEQUAL) -> dict[str, int]:
    """How many more images each class needs so that the largest is `ratio` times as large.

    Args:
        counts: Images of each class.
        ratio: Wanted ratio of the largest count to the smallest, 1 or more.

    Returns:
        Classes that need images, those that need most first.

    >>> images_needed({"cat": 100, "dog": 3, "owl": 10})
    {'dog': 7}
    """
    least = -(-max(counts.values(), default=0) // ratio)
    missing = {key: int(least - count) for key, count in counts.items() if count < least}
    return dict(sorted(missing.items(), key=lambda item: (-item[1], item[0])))


def _listed(keys: Sequence[str]) -> str:
    return first_few(map(repr, keys))


def _classes(keys: Sequence[str]) -> str:
    return plural(len(keys), "class")


def _verb(keys: Sequence[str], one: str, more: str) -> str:
    return one if len(keys) == 1 else more


def _empty(split: str, keys: list[str]) -> Finding | None:
    if not keys:
        return None
    message = f"{_classes(keys)} of {split} {_verb(keys, 'has', 'have')} no image: {_listed(keys)}"
    fix = f"add images, or delete the folder or row of the class {keys[0]!r}"
    return Finding("empty_class", "error", message, fix, details={"classes": keys})


def _single(split: str, counts: Mapping[str, int], splits_itself: bool) -> Finding | None:
    keys = [key for key, count in counts.items() if count == 1]
    if not keys:
        return None
    effect = "; it stays in train, and no val score covers it" if splits_itself else ""
    message = f"{_classes(keys)} of {split} with one image: {_listed(keys)}{effect}"
    which = "it" if len(keys) == 1 else "each"
    fix = f"add at least {FEW - 1} images to {which}, or leave the class out"
    return Finding("single_image_class", "warning", message, fix, details=_more(counts, keys))


def _one_group(
    split: str, counts: Mapping[str, int], groups: Mapping[str, int], splits_itself: bool
) -> Finding | None:
    keys = [key for key, count in counts.items() if count > 1 and groups.get(key) == 1]
    if not keys or not splits_itself:
        return None
    message = (
        f"{_classes(keys)} of {split} from only one group: {_listed(keys)}; a group is never "
        "split, so train and val cannot both have the class"
    )
    fix = "add images of another group, or give separate val images: `data.val`"
    details = {"classes": {key: counts[key] for key in keys}}
    return Finding("single_group_class", "warning", message, fix, details=details)


def _small(split: str, counts: Mapping[str, int], several: bool) -> Finding | None:
    keys = sorted((k for k, count in counts.items() if 1 < count < FEW), key=lambda k: counts[k])
    if not keys:
        return None
    message = f"{_classes(keys)} of {split} with fewer than {FEW} images: {_listed(keys)}"
    every = _more(counts, keys)
    fix = f"add at least {plural(every['needed'][keys[0]], 'image')} to {keys[0]!r}"
    if not several and 1 not in counts.values():
        shots = f"`data.train.shots: {counts[keys[0]]}`"
        fix += f"; until then {shots} trains on the same number of images per class"
    return Finding("small_class", "warning", message, fix, details=every)


def _more(counts: Mapping[str, int], keys: Sequence[str]) -> dict[str, Any]:
    return {
        "classes": {key: counts[key] for key in keys},
        "needed": {key: FEW - counts[key] for key in keys},
    }


def _imbalance(split: str, counts: Mapping[str, int], several: bool) -> Finding | None:
    if len(counts) < 2:
        return None
    large = max(counts, key=lambda key: counts[key])
    small = min(counts, key=lambda key: counts[key])
    ratio = counts[large] / counts[small]
    if ratio <= MOST_UNEQUAL:
        return None
    needed = images_needed(counts)
    message = (
        f"{split} has {counts[large]} images of {large!r} and {counts[small]} of {small!r}, "
        f"{ratio:.0f} to 1; {sum(needed.values())} more images in {_classes(list(needed))} would "
        f"make it {MOST_UNEQUAL:.0f} to 1"
    )
    fix = "`data.balance: uniform` or `method.optim.class_weights: auto` in the recipe"
    if several:
        fix = "add images; `method.optim.loss: asymmetric` weighs absent labels less"
    details = {"classes": dict(counts), "ratio": ratio, "needed": needed}
    return Finding("imbalance", "warning", message, fix, details=details)


def _extra(split: str, learned: Mapping[str, int], others: Counts) -> Finding | None:
    extra = {
        name: sorted(key for key, count in other.items() if count > 0 and key not in learned)
        for name, other in others.items()
    }
    extra = {name: keys for name, keys in extra.items() if keys}
    if not extra:
        return None
    name, keys = next(iter(extra.items()))
    told = "; ".join(f"{_listed(keys)} in {name}" for name, keys in extra.items())
    message = f"classes that are not in {split}: {told}"
    fix = f"add images of {keys[0]!r} to {split}, or delete or rename the class in {name}"
    return Finding("extra_class", "error", message, fix, details={"classes": extra})


def _missing(learned: Mapping[str, int], others: Counts) -> Finding | None:
    missing = {
        name: [key for key in learned if other.get(key, 0) <= 0] for name, other in others.items()
    }
    missing = {name: keys for name, keys in missing.items() if keys}
    if not missing:
        return None
    name, keys = next(iter(missing.items()))
    told = "; ".join(f"{name} lacks {_listed(keys)}" for name, keys in missing.items())
    message = f"classes that an evaluation set lacks: {told}"
    fix = f"add images of {keys[0]!r} to {name}; until then its scores do not cover the class"
    return Finding("missing_class", "note", message, fix, details={"classes": missing})
