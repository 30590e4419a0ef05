"""Class names that a text encoder cannot read, or cannot tell apart."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import yaml

from adapt.checks.findings.finding import Finding
from adapt.common.words import plural
from adapt.data.labels.classes import ClassName, default_words, folded
from adapt.data.labels.cleaning import cleaned_words
from adapt.data.sources.folders import SPLIT_NAMES, is_junk
from adapt.errors import DataError

SAME_DIRECTION = 0.99
"""Cosine of two text features at which two classes are the same to the text encoder."""
LONGEST = 120
"""Letters of a name; CLIP reads about 70 tokens of a prompt and drops the rest."""
FEWEST_IMAGES = 5
"""With fewer images of a class, its recall means nothing."""
PLACEHOLDER = "what the images show"
UNREADABLE = "is a number or a code, of which zero-shot can only guess what it means"

_GENERIC = frozenset(
    {"category", "class", "classes", "cls", "code", "file", "folder", "group", "grp", "id", "idx"}
    | {"index", "item", "kind", "label", "lbl", "no", "nr", "num", "number", "obj", "object"}
    | {"sample", "set", "species", "subject", "synset", "tag", "target", "type", "wnid"}
)
_SPLITS = SPLIT_NAMES - {"train", "training"}  # a train is also a vehicle
_NO_CLASS = frozenset(
    {"all", "archive", "backup", "copy", "data", "dataset", "duplicates", "images", "img", "imgs"}
    | {"jpg", "new", "new folder", "old", "photos", "pictures", "png", "pycache", "quarantine"}
    | {"raw", "temp", "test set", "tmp", "train set", "training set", "trash", "unsorted"}
    | {"untitled", "untitled folder", "val set"}
)
_CATCH_ALL = frozenset(
    {"misc", "miscellaneous", "none", "other", "others", "rest", "todo", "unknown", "unlabeled"}
    | {"unlabelled", "various"}
)
_ARTICLES = frozenset({"a", "an", "the"})
_WORD = re.compile(r"[^\W_]+")
_NUMBERED = re.compile(r"^\d+\s*[.)\s_-]\s*(?=[^\W\d_])")
_NAME = dict[str, Any]
PROPOSED = ("unreadable_name", "numbered_name", "joined_name")
"""The kinds of which `adapt check --fix FILE.yaml` writes words."""


def name_findings(
    class_names: Sequence[ClassName],
    zero_shot: np.ndarray | None = None,
    targets: np.ndarray | None = None,
    text_directions: np.ndarray | None = None,
) -> list[Finding]:
    """Faults of the names that would harm zero-shot predictions.

    A class with its own prompts is read by these; its name counts only if a prompt holds `{}`.

    Args:
        class_names: The K classes.
        zero_shot: Zero-shot logits of the images, shape (N, K); None if unknown.
        targets: Class of each image, shape (N,); needed with `zero_shot`.
        text_directions: Text features of the classes, shape (K, D), of any length; None if
            unknown.

    Returns:
        Findings `equal_name`, `junk_name`, `unreadable_name`, `similar_name`, `same_direction`,
        `numbered_name`, `joined_name`, `catch_all_name`, `long_name`, `foreign_name` and
        `unrecognised_class`, in this order. Each holds under `details["classes"]`, for each class
        (or set of classes), its `name`, `words` and the `line` of `classes.yaml` to write; with
        `zero_shot` also `images`, `recall` and `answered` (the class that is predicted most often
        for its images).

    Raises:
        DataError: When the sizes differ.
    """
    _check(class_names, zero_shot, targets, text_directions)
    about = _answers(class_names, zero_shot, targets)
    read = [
        name for name in class_names if not name.prompts or any("{}" in p for p in name.prompts)
    ]
    equal = _same(read, folded)
    alike = [group for group in _same(read, _stem) if group not in equal]

    def each(kind: str, level: str, reason: str, test: Callable[[str], bool]) -> Finding | None:
        return _of_classes(
            kind, level, reason, [entry for entry in read if test(entry.words)], about
        )

    junk = _junk(read)
    findings = [
        _of_sets("equal_name", "error", equal, about, "equal names"),
        each(
            "junk_name",
            "warning",
            "does not look like a class name; is this folder not a class?",
            junk.__contains__,
        ),
        each("unreadable_name", "warning", UNREADABLE, is_code),
        _of_sets("similar_name", "warning", alike, about, "names that hardly differ"),
        _directions(class_names, text_directions, about),
        _numbered(read, about),
        _joined(read, about),
        each(
            "catch_all_name",
            "note",
            "does not name anything that can be seen in a photo",
            _is_catch_all,
        ),
        each("long_name", "note", f"has more than {LONGEST} letters", lambda w: len(w) > LONGEST),
        each(
            "foreign_name",
            "note",
            "uses a script that an English CLIP was not trained on",
            is_foreign,
        ),
        _unrecognised(class_names, about),
    ]
    return [finding for finding in findings if finding is not None]


def _check(
    class_names: Sequence[ClassName],
    zero_shot: np.ndarray | None,
    targets: np.ndarray | None,
    text_directions: np.ndarray | None,
) -> None:
    count = len(class_names)
    wrong = text_directions is not None and len(text_directions) != count
    if zero_shot is not None:
        wrong |= targets is None or zero_shot.shape != (len(targets), count)
    if wrong:
        arrays = (zero_shot, targets, text_directions)
        shapes = [None if entry is None else entry.shape for entry in arrays]
        given = f"{count} names; logits, targets and text features of {shapes}"
        raise DataError(f"class names - sizes differ - {given} - give one column or row per class")


def _junk(names: Iterable[ClassName]) -> set[str]:
    """Words that do not name a class: see `is_no_class`; also `train` beside another split."""
    named = list(names)
    splits = {entry.words for entry in named if folded(entry.words).strip() in SPLIT_NAMES}
    junk = {entry.words for entry in named if is_no_class(entry.words) or is_junk(entry.key)}
    return junk | (splits if len(splits) > 1 else set())


def is_no_class(words: str) -> bool:
    """Whether this is the name of a split, of junk or of an unnamed folder.

    `train` alone is not: it may be the vehicle.

    >>> [is_no_class(words) for words in ("val", "New folder (2)", ".ipynb checkpoints", "dog")]
    [True, True, True, False]
    """
    plain = re.sub(r"\s*(\(\d+\)|\d+)$", "", folded(words).strip())
    tokens = " ".join(_WORD.findall(plain))
    return is_junk(words.strip()) or tokens in _NO_CLASS | _SPLITS


def is_code(words: str) -> bool:
    """Whether only numbers, codes, single letters and words like `class` or `id` are left.

    >>> [is_code(words) for words in ("7", "n01440764", "cls 3", "A12", "Boeing 737", "ox", "café")]
    [True, True, True, True, False, False, False]
    """
    return not _readable(words)


def _readable(words: str) -> list[str]:
    """The parts of a name that are words; `class` or `id` beside a code do not count."""
    parts = _WORD.findall(unicodedata.normalize("NFC", words))
    plain = [
        part
        for part in parts
        if all(unicodedata.category(sign)[0] in "LM" for sign in part)
        and (len(part) > 1 or not part.isascii())
    ]
    return plain if plain == parts else [entry for entry in plain if folded(entry) not in _GENERIC]


def is_foreign(words: str) -> bool:
    """Whether most letters are not Latin.

    >>> is_foreign("кошка"), is_foreign("Ångström"), is_foreign("12")
    (True, False, False)
    """
    letters = [sign for sign in words if sign.isalpha()]
    latin = [sign for sign in letters if unicodedata.name(sign, "").startswith("LATIN")]
    return len(letters) > 2 * len(latin)


def _is_catch_all(words: str) -> bool:
    return folded(words).strip() in _CATCH_ALL


def _stem(words: str) -> str:
    """The words without case, accents, articles, plural endings, blanks and punctuation."""
    plain = unicodedata.normalize("NFKD", folded(words))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    parts = [part for part in _WORD.findall(bare) if part not in _ARTICLES]
    return "".join(_singular(part) for part in parts) or bare.strip()


def _singular(word: str) -> str:
    for end, least, instead in (("ies", 5, "y"), ("ches", 6, "ch"), ("shes", 6, "sh")):
        if word.endswith(end) and len(word) >= least:
            return word[: -len(end)] + instead
    if re.search(r"(ss|x|z)es$", word):
        return word[:-2]
    return word[:-1] if len(word) > 3 and re.search(r"[^sui]s$", word) else word


def _same(names: Iterable[ClassName], form: Callable[[str], str]) -> list[list[ClassName]]:
    """Sets of two or more classes whose words have the same form, ignoring outer blanks."""
    sets: dict[str, list[ClassName]] = defaultdict(list)
    for entry in names:
        sets[form(entry.words.strip())].append(entry)
    return [group for group in sets.values() if len(group) > 1]


def _answers(
    class_names: Sequence[ClassName], zero_shot: np.ndarray | None, targets: np.ndarray | None
) -> dict[str, _NAME]:
    """What is reported of each class: name, words, line to write, and zero-shot predictions."""
    about: dict[str, _NAME] = {
        entry.key: {"name": entry.key, "words": entry.words, "line": class_line(entry)}
        for entry in class_names
    }
    if zero_shot is None or targets is None or not len(class_names):
        return about
    answers = zero_shot.argmax(axis=1)
    for index, entry in enumerate(class_names):
        counts = np.bincount(answers[targets == index], minlength=len(class_names))
        images = int(counts.sum())
        about[entry.key] |= {
            "images": images,
            "recall": float(counts[index] / images) if images else None,
            "answered": class_names[int(counts.argmax())].key if images else None,
        }
    return about


def class_line(name: ClassName) -> str:
    """The line of `classes.yaml` that gives a class other words: a guess or a placeholder."""
    plain = " ".join(_readable(cleaned_words(name.words)))
    words = plain if plain and plain != name.words and not is_no_class(plain) else PLACEHOLDER
    line: str = yaml.safe_dump({name.key: words}, allow_unicode=True, width=10**6)
    return line.strip()


def _of_classes(
    kind: str, level: str, reason: str, names: list[ClassName], about: dict[str, _NAME]
) -> Finding | None:
    if not names:
        return None
    told = [about[entry.key] for entry in names]
    if kind == "junk_name":
        fix = f"rename or delete the folder {names[0].key!r}"
    else:
        fix = f"write in classes.yaml: `{told[0]['line']}`"
    more = _likewise(len(names), "class")
    if kind in PROPOSED:
        more += "; --fix classes.yaml writes what can be guessed"
    subject = f"the name {names[0].key!r}" if len(names) == 1 else f"{len(names)} class names: each"
    shown = "" if len(names) == 1 else f" ({_shown(names)})"
    return Finding(
        kind,
        level,
        f"{subject} {reason}{shown}{_recalled(told)}",
        fix + more,
        details={"classes": told},
    )


def _of_sets(
    kind: str, level: str, sets: list[list[ClassName]], about: dict[str, _NAME], message: str
) -> Finding | None:
    if not sets:
        return None
    told = [[about[entry.key] for entry in group] for group in sets]
    shown = "; ".join(_shown(group) for group in sets[:3])
    keys = " and ".join(repr(entry.key) for entry in sets[0])
    line = class_line(ClassName(sets[0][-1].key, ""))
    fix = f"merge {keys}, or give them different words in classes.yaml: `{line}`"
    more = _likewise(len(sets), "set")
    text = f"{plural(len(sets), 'set')} of classes with {message}: {shown}"
    return Finding(kind, level, text, fix + more, details={"classes": told})


def _likewise(count: int, word: str) -> str:
    """That a fix of one of so many is also that of the others."""
    others = f"other {word}" if count == 2 else f"other {plural(count - 1, word)}"
    return f", and likewise for the {others}" if count > 1 else ""


def _shown(names: Sequence[ClassName]) -> str:
    more = ", ..." if len(names) > 5 else ""
    return ", ".join(repr(entry.words) for entry in names[:5]) + more


def _recalled(told: Sequence[_NAME]) -> str:
    """The zero-shot recall of these classes, if it is known."""
    known = [entry["recall"] for entry in told if entry.get("recall") is not None]
    return f"; zero-shot recall {100 * np.mean(known):.0f} %" if known else ""


def _directions(
    class_names: Sequence[ClassName], directions: np.ndarray | None, about: dict[str, _NAME]
) -> Finding | None:
    """Pairs of classes with equal text features."""
    if directions is None or len(class_names) < 2:
        return None
    wide = np.asarray(directions, dtype=np.float64)
    unit = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    cosines = np.triu(unit @ unit.T, k=1)
    pairs = sorted(
        np.argwhere(cosines >= SAME_DIRECTION).tolist(), key=lambda pair: -cosines[pair[0], pair[1]]
    )
    finding = _of_sets(
        "same_direction",
        "warning",
        [[class_names[a], class_names[b]] for a, b in pairs],
        about,
        f"text features with a cosine of {SAME_DIRECTION} or more",
    )
    if finding is not None:
        finding.details["cosines"] = [float(cosines[a, b]) for a, b in pairs]
    return finding


def _numbered(names: list[ClassName], about: dict[str, _NAME]) -> Finding | None:
    """Names that all begin with a number, which is then an index and not part of the name."""
    if len(names) < 2 or not all(_NUMBERED.match(entry.words) for entry in names):
        return None
    reason = "begins with a number, which CLIP reads too"
    return _of_classes("numbered_name", "warning", reason, names, about)


def _joined(names: list[ClassName], about: dict[str, _NAME]) -> Finding | None:
    """Names that nobody put into words, and that hold several in one, or a synset before them."""
    entries = [
        entry
        for entry in names
        if entry.words == default_words(entry.key)
        and not _NUMBERED.match(entry.words)
        and cleaned_words(entry.key) != entry.words.lower()
        and not is_code(entry.words)
    ]
    reason = "is not written as words"
    return _of_classes("joined_name", "warning", reason, entries, about)


def _unrecognised(class_names: Sequence[ClassName], about: dict[str, _NAME]) -> Finding | None:
    """Classes whose images zero-shot recognises less often than random guessing would."""
    entries = [
        entry
        for entry in class_names
        if about[entry.key].get("images", 0) >= FEWEST_IMAGES
        and about[entry.key]["recall"] * len(class_names) < 1
        and about[entry.key]["answered"] != entry.key
    ]
    entries.sort(key=lambda entry: (about[entry.key]["recall"], entry.key))
    reason = "is recognised by zero-shot less often than by random guessing"
    return _of_classes("unrecognised_class", "note", reason, entries, about)
