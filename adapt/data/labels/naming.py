"""Names that people give: words for labels, positions of labels, folders of embedded data."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from adapt.common.words import first_few
from adapt.data.labels.classes import (
    ClassName,
    check_names,
    check_words,
    default_words,
    name_classes,
    read_classes,
)
from adapt.errors import DataError, did_you_mean

GivenClasses: TypeAlias = str | Path | Mapping[str, ClassName] | None
NO_LETTER = "class names have no letter"


def given_names(
    classes: GivenClasses, labels: Iterable[str]
) -> tuple[dict[str, ClassName], list[str]]:
    """Words for the labels, and notes on words that look wrong.

    Args:
        classes: A YAML file, names by key, or None: the labels' own words.
        labels: The labels that occur.

    Raises:
        DataError: See `read_classes` and `name_classes`.
    """
    if classes is None:
        names = name_classes(labels, None)
        bare = [key for key, name in names.items() if not any(map(str.isalpha, name.words))]
        shown = first_few(bare)
        advice = "give a classes file, the text encoder cannot know what they show"
        return names, [f"{len(bare)} {NO_LETTER} ({shown}): {advice}"] if bare else []
    given = read_classes(classes) if isinstance(classes, (str, Path)) else dict(classes)
    labels = set(labels)
    unused = sorted(set(given) - labels)
    hints = [f"{key!r}{did_you_mean(key, sorted(labels - set(given)))}" for key in unused[:5]]
    note = f"{len(unused)} named classes do not occur: {'; '.join(hints)}"
    return name_classes(labels, given), [note] if unused else []


def class_positions(
    labels: Sequence[str], class_names: Sequence[str], paths: Sequence[str]
) -> np.ndarray:
    """Position of each label in a list of class names, joined by name.

    Args:
        labels: Class key of each image.
        class_names: Class keys, in the order of the classifier's outputs.
        paths: File of each image, for the message.

    Returns:
        int64 array, shape (len(labels),).

    Raises:
        DataError: When a class is not in the list, naming it and one of its files.

    >>> class_positions(["cat", "ant"], ["ant", "cat"], ["1.png", "2.png"])
    array([1, 0])
    """
    position = {name: index for index, name in enumerate(class_names)}
    for index, label in enumerate(labels):
        if label not in position:
            known = first_few(class_names, 10)
            raise DataError(
                f"{paths[index]} - unknown class - {label!r}"
                f"{did_you_mean(label, class_names)} - known are: {known}"
            )
    return np.array([position[label] for label in labels], dtype=np.int64)


def given_classes(given: Any) -> list[ClassName]:
    """Class names with their words, from names, an array of them, or `ClassName`s.

    Raises:
        DataError: When a name is no text, empty, or the same as another.

    >>> given_classes(["alarm_clock"])[0].words
    'alarm clock'
    """
    given = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(given, Sequence) and not isinstance(given, str):
        keys = [name.key if isinstance(name, ClassName) else name for name in given]
    else:
        keys = given
    keys = check_names(keys, "class_names")
    names = [
        name if isinstance(name, ClassName) else ClassName(key, default_words(key))
        for key, name in zip(keys, given, strict=True)
    ]
    check_words({name.key: name for name in names}, "class_names")
    return names
