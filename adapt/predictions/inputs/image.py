"""One image."""

from collections.abc import Iterator
from pathlib import Path

from adapt.predictions.inputs.base import IMAGE, INPUTS, InputKind, Item, Reading


def _takes(source: str) -> bool:
    return Path(source).is_file()


def _read(reading: Reading) -> Iterator[Item]:
    yield Item.at(reading.source)


def _count(source: str) -> int:
    return 1


INPUTS.register(IMAGE, InputKind("an image", _takes, _read, _count))
