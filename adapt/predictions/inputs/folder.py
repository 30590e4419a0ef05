"""Every image below a folder, listed folder by folder."""

from collections.abc import Iterator
from pathlib import Path

from adapt.data.decoding.formats import refuse
from adapt.data.sources.folders import walk_images
from adapt.errors import DataError
from adapt.predictions.inputs.base import INPUTS, InputKind, Item, Reading


def _takes(source: str) -> bool:
    return Path(source).is_dir()


def _read(reading: Reading) -> Iterator[Item]:
    broken: list[OSError] = []

    def note(kind: str) -> None:
        reading.skipped[kind] += 1

    def told() -> Iterator[Item]:
        while broken:
            yield _unlisted(broken.pop(0), reading.source)

    for path in walk_images(reading.source, note, broken.append):
        yield from told()
        yield Item.at(str(path))
    yield from told()


def _unlisted(error: OSError, source: str) -> Item:
    """The row of a folder whose images cannot be known."""
    name, given = str(error.filename), error.strerror or str(error)
    advice = "check that you may read it"
    if name == source:
        raise DataError(f"{name} - folder cannot be read - {given} - {advice}") from error
    return Item.broken(name, refuse(name, "folder cannot be read", given, advice))


def _count(source: str) -> int:
    return sum(1 for _ in walk_images(source))


INPUTS.register("folder", InputKind("a folder", _takes, _read, _count))
