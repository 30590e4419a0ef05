"""The images of one part, read where they are computed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from adapt.data.decoding.formats import ImageError
from adapt.data.loading.ahead import ahead
from adapt.errors import DataError
from adapt.models.prediction.inputs import NamedImage
from adapt.predictions.inputs.base import Reading, problem_of
from adapt.scale.addresses import fetch_images, is_address, local_copy
from adapt.scale.plan import CONTAINER, Entry

TOGETHER, FETCHING = 32, 2
"""Files that are asked for at once, and how many such groups are fetched ahead."""


def images_of(part: Sequence[Entry], skipped: Counter[str]) -> Iterator[NamedImage]:
    """Every image of a part, in order; what cannot be read keeps its problem for its row.

    Args:
        part: Its entries.
        skipped: Gets the files in a container that are no images, by suffix.
    """
    for (kind, elsewhere), run in groupby(part, _how):
        if kind == CONTAINER:
            for entry in run:
                yield from _contained(entry, skipped)
        elif elsewhere:
            groups = list(run)
            chunks = [groups[at : at + TOGETHER] for at in range(0, len(groups), TOGETHER)]
            for fetched in ahead(_fetched, chunks, FETCHING, FETCHING + 1):
                yield from fetched
        else:
            yield from map(_here, run)


def _how(entry: Entry) -> tuple[str, bool]:
    return entry.kind, entry.problem is None and is_address(entry.address)


def _here(entry: Entry) -> NamedImage:
    if entry.problem is None:
        return NamedImage(entry.address, entry.address)
    problem = ImageError(entry.problem, entry.address, entry.reason or "")
    return NamedImage(entry.address, problem=problem)


def _fetched(chunk: Sequence[Entry]) -> list[NamedImage]:
    names = [entry.address for entry in chunk]
    return [
        NamedImage(name, problem=got) if isinstance(got, ImageError) else NamedImage(name, got)
        for name, got in zip(names, fetch_images(names), strict=True)
    ]


def _contained(entry: Entry, skipped: Counter[str]) -> Iterator[NamedImage]:
    """A container that cannot be opened is one row with an error, as an image is."""
    place = entry.address
    try:
        with local_copy(entry.address) as path:
            place, reading = path, Reading(path)
            for item in reading.items():
                yield _renamed(item.load(), path, entry.address)
            skipped.update(reading.skipped)
    except DataError as error:
        problem = problem_of(error, entry.address, entry.address, place)
        yield _renamed(NamedImage(entry.address, problem=problem), place, entry.address)


def _renamed(image: NamedImage, path: str, address: str) -> NamedImage:
    """Named after the address, where a copy of it was read."""
    if path == address:
        return image
    problem = image.problem
    if problem is not None:
        text = str(problem).replace(path, address)
        problem = ImageError(text, problem.path.replace(path, address), problem.reason)
    return replace(image, name=image.name.replace(path, address, 1), problem=problem)
