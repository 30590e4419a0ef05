"""What is labelled so far: from lists that were filled in, tables and folders."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapt.checks.sources import read_sets
from adapt.common.content import content_hashes
from adapt.common.typed import resolve_path
from adapt.common.words import first_few, plural
from adapt.comparison.sides import Given
from adapt.data.labels.label_table import csv_records
from adapt.data.labels.suffixes import CSV_SUFFIXES
from adapt.errors import AdaptError, DataError, did_you_mean
from adapt.explore.training_images import training_images

PATH, LABEL = "path", "label"


@dataclass
class LabelledImages:
    """Images and their labels."""

    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    unlabelled: int = 0
    """Rows of lists whose label is empty."""
    note: str = ""
    """Why the labels of a run do not count, where they do not."""

    def add(self, other: "LabelledImages") -> None:
        """Take in others."""
        self.paths += other.paths
        self.labels += other.labels
        self.unlabelled += other.unlabelled


def read_labelled(sources: Sequence[str | Path], beside: str = "") -> LabelledImages:
    """The labelled images of several sources.

    Args:
        sources: CSV tables with `path` and `label`, such as lists of `adapt suggest` whose labels
            were filled in: rows without a label are passed over. Or what `adapt check` reads:
            folders with a folder for each class, Parquet tables, archives.
        beside: A folder that paths of a CSV table may also start from.

    Raises:
        DataError: When a source cannot be read, or an image of a table is not there.
    """
    whole = LabelledImages()
    for source in sources:
        path = resolve_path(source)
        if path.suffix.lower() in CSV_SUFFIXES and path.is_file():
            whole.add(_of_list(path, beside))
        else:
            for images in read_sets(source).images.values():
                whole.add(LabelledImages(list(images.paths), list(images.labels)))
    return whole


def with_those_of_run(given: LabelledImages, model: Given) -> LabelledImages:
    """Labelled images, and those that the run of a model was trained on, each file once.

    Args:
        given: What is labelled so far beside them.
        model: A run folder, or the `model` in it; of others nothing is known.
    """
    whole = LabelledImages([*given.paths], [*given.labels], given.unlabelled)
    try:
        images = training_images(model)
        known = set(content_hashes(given.paths))
        if images is not None and images.label_sets is None:
            digests = content_hashes(images.paths)
            for path, label, digest in zip(images.paths, images.labels, digests, strict=True):
                if digest not in known:
                    whole.add(LabelledImages([path], [label]))
    except AdaptError as error:
        whole.note = f"the labels of the run itself do not count: {error}"
    return whole


def _of_list(path: Path, beside: str) -> LabelledImages:
    names, rows, records = csv_records(path)
    plain = [name.strip().lower() for name in names]
    for column in (PATH, LABEL):
        if column not in plain:
            hint = did_you_mean(column, plain)
            raise DataError(f"{path} - no column {column!r} - {names}{hint} - add it")
    read, folders = LabelledImages(), [path.parent, *([Path(beside)] if beside else [])]
    for row, record in zip(rows, records, strict=True):
        if len(record) != len(names):
            given = f"{len(record)} for {len(names)} columns"
            advice = "put a cell in quotes where it holds the separator"
            raise DataError(f"{path}, {row} - wrong number of cells - {given} - {advice}")
        given, label = (record[plain.index(column)].strip() for column in (PATH, LABEL))
        if not label:
            read.unlabelled += 1
            continue
        places = [Path(os.path.normpath(folder / given)) for folder in folders]
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            looked = first_few([str(place) for place in places])
            raise DataError(
                f"{path}, {row} - no such image - looked for {looked} - correct the path, or run "
                "where it starts from"
            )
        read.paths.append(str(there))
        read.labels.append(label)
    return read


def numbers_of(labels: Sequence[str], class_names: Sequence[str]) -> list[int]:
    """Class numbers of labels.

    Raises:
        DataError: When the model does not know a label.

    >>> numbers_of(["b", "a"], ["a", "b"])
    [1, 0]
    """
    known = {name: number for number, name in enumerate(class_names)}
    if strange := [label for label in labels if label not in known]:
        first, kinds = strange[0], first_few(sorted(set(strange)))
        raise DataError(
            f"--labelled - labels that the model does not know - {kinds} "
            f"({plural(len(strange), 'image')}){did_you_mean(first, class_names)} - correct them, "
            "or train with them and give the new model"
        )
    return [known[label] for label in labels]
