"""Writing tables: one file, or a folder of parts that a later run goes on with."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from adapt.common.content import content_hash
from adapt.common.files import write_whole
from adapt.common.progress import track
from adapt.errors import DataError
from adapt.models.prediction.inputs import NamedImage
from adapt.models.prediction.stream import Prediction
from adapt.predictions.features import FEATURES, features_path
from adapt.predictions.inputs.base import Item
from adapt.predictions.manifest import AGAIN, NAME, Manifest, Part
from adapt.predictions.outputs.base import TABLES
from adapt.predictions.rows import row_of


class _Names:
    """The hash of names in their order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, name: str) -> None:
        self._digest.update(name.encode("utf-8", "surrogatepass") + b"\0")

    def text(self) -> str:
        return self._digest.hexdigest()


@dataclass(frozen=True)
class Tables:
    """How every table is written.

    Attributes:
        format: Name of the format.
        columns: Of the table.
        features: Format of the features beside it, or None.
        width: Of these features.
    """

    format: str
    columns: list[str]
    features: str | None = None
    width: int = 0

    def write(
        self,
        table: Path,
        predictions: Iterable[Prediction],
        before: Callable[[Part], object] | None = None,
    ) -> Part:
        """Write a table and what lies beside it; each file is whole or absent, the table the last.

        Args:
            table: Where to.
            predictions: Its rows.
            before: Called when all is written but the table is not yet in its place.
        """
        counted = _Counted()
        beside = None if self.features is None else features_path(table, self.features)

        def fill(part: Path) -> None:
            if beside is None:
                self._fill(part, None, predictions, counted)
            else:
                write_whole(beside, lambda more: self._fill(part, more, predictions, counted))
                counted.files[beside.name] = content_hash(beside)
            counted.files[table.name] = content_hash(part)
            if before is not None:
                before(counted.part())

        write_whole(table, fill)
        return counted.part()

    def _fill(
        self,
        table: Path,
        features: Path | None,
        predictions: Iterable[Prediction],
        counted: "_Counted",
    ) -> None:
        with ExitStack() as stack:
            add = stack.enter_context(TABLES.table()[self.format](table, self.columns))
            beside = None
            if features is not None and self.features is not None:
                beside = stack.enter_context(FEATURES[self.features](features, self.width))
            for prediction in predictions:
                add(row_of(prediction, self.columns))
                if beside is not None:
                    beside(prediction.source, prediction.features)
                counted.add(prediction)


class _Counted:
    """What becomes of a table while it is written."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.rows, self.names, self.errors = 0, _Names(), Counter[str]()

    def add(self, prediction: Prediction) -> None:
        self.rows += 1
        self.names.add(prediction.source)
        if prediction.error is not None:
            self.errors[prediction.reason or "other"] += 1

    def part(self) -> Part:
        errors = dict(sorted(self.errors.items()))
        return Part(self.files, self.rows, self.names.text(), errors)


def rest(items: Iterator[Item], manifest: Manifest, batch_size: int, folder: Path) -> "Rest":
    """What is left of a source behind finished parts, from the beginning of a batch on.

    Args:
        items: The whole source.
        manifest: The parts.
        batch_size: A batch that finished rows end in is computed again, so that every row has the
            bits that it would have had.
        folder: Where the parts are, for messages.

    Raises:
        DataError: When the source is no longer the same.
        RunError: When a part is missing or altered.
    """
    first = manifest.rows // batch_size * batch_size
    kept: list[NamedImage] = []
    number = 0
    for part in track(manifest.parts, "checking finished tables") if manifest.parts else ():
        part.check(folder)
        names = _Names()
        count = 0
        for item in islice(items, part.rows):
            names.add(item.name)
            if number >= first:
                kept.append(item.load())
            number, count = number + 1, count + 1
        if count < part.rows or names.text() != part.names:
            raise _changed(folder, next(iter(part.files)))
    following = (item.load() for item in items)
    if manifest.finished and (more := next(following, None)) is not None:
        raise _changed(folder, more.name)
    return Rest(chain(kept, following), manifest.rows - first)


def _changed(folder: Path, where: str) -> DataError:
    return DataError(
        f"{folder / NAME} - the source has changed - other images than before at {where} - bring "
        f"them back, or {AGAIN}"
    )


@dataclass(frozen=True)
class Rest:
    """Inputs that are left."""

    images: Iterator[NamedImage]
    known: int
    """How many of them are in a finished part already."""


def write_parts(
    tables: Tables,
    predictions: Iterator[Prediction],
    folder: Path,
    manifest: Manifest,
    rows: int,
) -> None:
    """Write parts of so many rows until there are no more; each is recorded when it is whole."""
    while (first := next(predictions, None)) is not None:
        name = f"part-{len(manifest.parts):05d}.{tables.format}"
        part = tables.write(folder / name, chain([first], islice(predictions, rows - 1)))
        manifest.parts.append(part)
        manifest.write(folder / NAME)
