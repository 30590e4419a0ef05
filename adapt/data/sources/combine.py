"""Several sources of images as one."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapt.common.content import content_hashes
from adapt.common.words import first_few, refuse
from adapt.data.labels.classes import ClassName, default_words
from adapt.data.labels.naming import NO_LETTER, GivenClasses, given_names
from adapt.data.sources.base import COMMON, Source, source
from adapt.data.sources.image_list import ImageList, Value
from adapt.errors import DataError

COLUMN = "source"
"""Column that tells the part each image is from."""


def combine(
    parts: Sequence[ImageList], names: Sequence[str] | None = None, classes: GivenClasses = None
) -> ImageList:
    """The images of all parts; labels are joined by name.

    Columns that a part lacks are empty there. Groups of two parts are two groups, also where they
    have one name; each image of a part without groups is a group. Classes that one part names and
    another shows are one class.

    Args:
        parts: Images, one or more.
        names: What to call each part in notes and in the column `source`; `1`, `2`, ... if None.
        classes: Words and prompts of the classes of the whole; those of the parts if None.

    Returns:
        Images sorted by class, then path; the root is the folder above all parts.

    Raises:
        DataError: When there is no part, a file is in two of them, one class has two
            different words, or only some parts are corrupted.
    """
    if not parts:
        raise DataError("combined source - no parts - 0 given - give one or more")
    called = [str(place) for place in range(1, len(parts) + 1)] if names is None else list(names)
    if len(called) != len(parts) or len(set(called)) < len(called):
        advice = "give each part a name of its own"
        raise DataError(f"combined source - wrong names - {called} for {len(parts)} - {advice}")
    if any(part.shift != parts[0].shift for part in parts):
        advice = "combine them first, then corrupt the whole"
        raise DataError(f"combined source - parts are corrupted unlike - {called} - {advice}")
    if len({part.several_labels for part in parts}) > 1:
        advice = "declare it for all of them"
        raise DataError(f"combined source - not all have several labels - {called} - {advice}")
    _check_files(parts, called)
    words, notes = _classes(parts, called), _notes(parts, called)
    if classes is not None:
        given, wrong = given_names(classes, {key for part in parts for key in part.class_names})
        words |= {key: name for key, name in given.items() if name != _default(key)}
        notes = [note for note in notes if NO_LETTER not in note] + wrong
    whole = ImageList(
        paths=[path for part in parts for path in part.paths],
        labels=[label for part in parts for label in part.labels],
        groups=_groups(parts),
        splits=_all_or_none(parts, lambda part: part.splits),
        root=_common_root([part.root for part in parts]),
        classes=words,
        shift=parts[0].shift,
        notes=notes,
        columns=_columns(parts, called),
        label_sets=_all_or_none(parts, lambda part: part.label_sets),
    )
    keys = list(zip(whole.labels, whole.paths, strict=True))
    return whole.subset(sorted(range(len(whole)), key=keys.__getitem__))


@source("combined")
@dataclass
class CombinedSource(Source):
    """Several sources whose images are put together."""

    parts: list[Source]
    """The sources."""

    def __post_init__(self) -> None:
        super().__post_init__()
        todo = "remove it; it belongs to the combined source"
        wrong = []
        for place, part in enumerate(self.parts):
            if isinstance(part, CombinedSource):
                wrong.append(f"parts[{place}].parts - not in a part - a list - {todo}")
            given = {name: getattr(part, name) for name in sorted(COMMON)}
            wrong += [
                f"parts[{place}].{name} - not in a part - {value!r} - {todo}"
                for name, value in given.items()
                if value not in (None, False)
            ]
        refuse(wrong)

    @property
    def several_labels(self) -> bool:
        """Whether its parts have several labels."""
        return any(part.several_labels for part in self.parts)

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images of all parts; see `combine`."""
        images = [part.read(None, default_split) for part in self.parts]
        return combine(images, self._titles(), classes)

    def _titles(self) -> list[str]:
        """What to call each part, with its place where two are called the same."""
        titles = [part.title() for part in self.parts]
        return [
            f"{place} {title}" if titles.count(title) > 1 else title
            for place, title in enumerate(titles, start=1)
        ]


def _check_files(parts: Sequence[ImageList], called: list[str]) -> None:
    seen: dict[str, str] = {}
    for name, part in zip(called, parts, strict=True):
        for path in part.paths:
            first = seen.setdefault(os.path.realpath(path), name)
            if first != name:
                given = f"in {first} and in {name}"
                raise DataError(f"{path} - a file of two parts - {given} - keep it in one")


def _default(key: str) -> ClassName:
    return ClassName(key, default_words(key))


def _classes(parts: Sequence[ImageList], called: list[str]) -> dict[str, ClassName]:
    """Words of all classes; those that somebody gave go before those of the key."""
    first: dict[str, tuple[str, ClassName]] = {}
    for name, part in zip(called, parts, strict=True):
        for key, words in part.classes.items():
            before, known = first.setdefault(key, (name, words))
            if known == _default(key):
                first[key] = (name, words)
            elif words not in (known, _default(key)):
                given = f"{known.words!r} in {before}, {words.words!r} in {name}"
                advice = "give all parts the same words and prompts"
                where = f"combined source, class {key!r}"
                raise DataError(f"{where} - two names for one class - {given} - {advice}")
    return {key: words for key, (_, words) in first.items()}


def _common_root(roots: list[str]) -> str:
    try:
        return os.path.commonpath(roots)
    except ValueError as error:  # two drives
        given, advice = ", ".join(roots), "copy them to one"
        raise DataError(f"combined source - no common folder - {given} - {advice}") from error


def _all_or_none(
    parts: Sequence[ImageList], values: Callable[[ImageList], list[Value] | None]
) -> list[Value] | None:
    of_parts = [values(part) for part in parts]
    if any(of_part is None for of_part in of_parts):
        return None
    return [value for of_part in of_parts for value in of_part or []]


def _groups(parts: Sequence[ImageList]) -> list[str] | None:
    """Groups of the whole; splits go by their names, so these tell no name of a part."""
    if all(part.groups is None for part in parts):
        return None
    return [
        f"{place}/{group}"
        for place, part in enumerate(parts, start=1)
        for group in (content_hashes(part.paths) if part.groups is None else part.groups)
    ]


def _columns(parts: Sequence[ImageList], called: list[str]) -> dict[str, list[str]]:
    own = [
        {f"given_{name}" if name == COLUMN else name: cells for name, cells in part.columns.items()}
        for part in parts
    ]
    names = dict.fromkeys(name for columns in own for name in columns)
    whole = {
        name: [
            cell
            for part, columns in zip(parts, own, strict=True)
            for cell in columns.get(name, [""] * len(part))
        ]
        for name in names
    }
    whole[COLUMN] = [name for name, part in zip(called, parts, strict=True) for _ in part.paths]
    return whole


def _notes(parts: Sequence[ImageList], called: list[str]) -> list[str]:
    pairs = list(zip(called, parts, strict=True))
    notes = [f"{name}: {note}" for name, part in pairs for note in part.notes]
    labels = {key for part in parts for key in part.class_names}
    for name, part in pairs:
        lacking = sorted(labels - set(part.class_names))
        if lacking:
            shown = first_few(lacking)
            notes.append(f"{name}: {len(lacking)} classes are in other parts only: {shown}")
    return notes
