"""Which split a folder or file belongs to, by its name."""

import re
from collections.abc import Iterable, Sequence

from adapt.errors import DataError, did_you_mean

SPLIT_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What `adapt` calls a split, and what folders of it are called, in any case."""
MEANT = {word: split for split, words in SPLIT_WORDS.items() for word in words}
WORDS = {
    "train": SPLIT_WORDS["train"],
    "validation": SPLIT_WORDS["val"],
    "test": (*SPLIT_WORDS["test"], "eval", "evaluation"),
}
"""What hub sets and shards call a split, and the words for it in the names of their files."""
MEANING = {word: split for split, words in WORDS.items() for word in words}
NUMBERED = re.compile(r"(?:.*/)?(?P<split>[^/]+)-\d{5}-of-\d{5}[^/]*")


def called(names: Iterable[str]) -> dict[str, str]:
    """What train, val and test are called among some names; empty without a train.

    >>> called(["Training", "dev", "notes"]), called(["val"])
    ({'train': 'Training', 'val': 'dev'}, {})
    """
    named: dict[str, str] = {}
    for name in names:
        named.setdefault(MEANT.get(name.strip().lower(), ""), name)
    named.pop("", None)
    return named if "train" in named else {}


def same_split(first: str, second: str) -> bool:
    """Whether two names mean one split.

    >>> same_split("val", "validation"), same_split("train", "test")
    (True, False)
    """
    return MEANING.get(first.lower(), first) == MEANING.get(second.lower(), second)


def split_of(name: str) -> str | None:
    """The split a file's name tells: `SPLIT-00000-of-00001`, or a word such as `train` in it.

    Args:
        name: Path below the data set's folder, with `/`.

    >>> split_of("data/unseen-00000-of-00002.parquet"), split_of("val/3.tar"), split_of("0.tar")
    ('unseen', 'validation', None)
    """
    numbered = NUMBERED.fullmatch(name)
    if numbered:
        return numbered["split"]
    words = re.split(r"[-._ 0-9/]+", name.lower())
    met = {MEANING[word] for word in words if word in MEANING}
    return met.pop() if len(met) == 1 else None


def choose_split(source: str, names: Sequence[str], split: str | None) -> list[str]:
    """The files of one split; all of them when they tell of no more than one.

    Args:
        source: The data set, for messages.
        names: Paths below its folder, with `/`.
        split: The split to take, if one is named.

    Raises:
        DataError: When there is no such split, or several and none is named.

    >>> choose_split("pets", ["train-0.tar", "test-0.tar"], "test")
    ['test-0.tar']
    """
    told = {name: split_of(name) for name in names}
    known = sorted({word for word in told.values() if word is not None})
    if split is None:
        if len(set(told.values())) < 2:
            return list(names)
        rest = sum(word is None for word in told.values())
        given = ", ".join([*known, *([f"{rest} files of no split"] if rest else [])])
        raise DataError(f"{source} - several splits - {given} - choose one with split")
    chosen = [name for name, word in told.items() if word is not None and same_split(word, split)]
    if not chosen:
        hint = did_you_mean(split, known)
        advice = f"choose from {', '.join(known) or 'none: its files name no split'}"
        raise DataError(f"{source} - no such split - {split!r}{hint} - {advice}")
    return chosen
