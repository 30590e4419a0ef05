"""The whole of `adapt predict`: from a model and a source to tables, also after it was killed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch

from adapt.common.content import content_hash
from adapt.common.files import check_new
from adapt.common.progress import told, track
from adapt.common.typed import resolve_path
from adapt.common.words import first_few, plural
from adapt.data.sources.captions.pairs import without_classes
from adapt.errors import DataError, RecipeError
from adapt.export.load import listing_path
from adapt.models.prediction.stream import Prediction
from adapt.predictions.inputs.base import LIST, Item, Reading
from adapt.predictions.manifest import NAME, Manifest, check_same
from adapt.predictions.opening import OpenModel, open_model
from adapt.predictions.outputs.base import table_format
from adapt.predictions.parts import Rest, Tables, rest, write_parts
from adapt.predictions.rows import column_names
from adapt.predictions.settings import PredictionSettings
from adapt.predictions.transductive import SetCorrection
from adapt.runs.folder.lock import FolderKind, run_folder
from adapt.training.runtime import processors
from adapt.version import __version__

PARTS = FolderKind("folder of predictions", "earlier predictions", (NAME,), "-o")


@dataclass(frozen=True)
class Written:
    """What `predict_files` wrote."""

    path: Path
    """The table, or the folder of its parts."""
    images: int
    """Rows of all tables."""
    errors: dict[str, int]
    """Images with an error, by reason."""
    skipped: dict[str, int]
    """Files in the source that are no images, by suffix."""
    device: str
    """Where it was computed."""
    before: int = 0
    """Rows that an earlier run had finished."""

    def said(self) -> str:
        """What was predicted and what was not, in words.

        >>> errors = {"no such file": 2, "not an image": 1}
        >>> print(Written(Path("a.csv"), 8, errors, {".txt": 2}, "cpu").said())
        8 images predicted on cpu, 3 with an error (2 no such file, 1 not an image), \
2 other files skipped (2 .txt)
        """
        words = [f"{plural(self.images, 'image')} predicted on {self.device}"]
        if self.before == self.images > 0:
            were = "was" if self.images == 1 else "were"
            images = plural(self.images, "image")
            words = [f"nothing left to do: {images} {were} predicted before"]
        elif self.before:
            words.append(f"{self.before:,} of them before")
        return ", ".join([*words, *without_answer(self.errors, self.skipped)])


def without_answer(errors: dict[str, int], skipped: dict[str, int]) -> list[str]:
    """How many images have an error, and what was no image, in words.

    Args:
        errors: Images by reason.
        skipped: Files by suffix.

    >>> without_answer({"empty file": 2}, {})
    ['2 with an error (2 empty file)']
    """
    count = sum(errors.values())
    words = [f"{count:,} with an error" + _kinds(errors) if count else "no errors"]
    if skipped:
        words.append(plural(sum(skipped.values()), "other file") + " skipped" + _kinds(skipped))
    return words


def _kinds(counts: dict[str, int]) -> str:
    """The first few counts in brackets; empty where there are none."""
    shown = first_few(f"{count:,} {kind}" for kind, count in counts.items())
    return f" ({shown})" if counts else ""


def predict_files(
    model: str | Path,
    source: str | Path,
    output: str | Path,
    settings: PredictionSettings | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Written:
    """Predict every image of a source and write one row for each, bad ones included.

    Memory does not grow with the number of images. A single table appears when it is complete,
    beside it `NAME.json` with hashes and counts. With `rows_per_part` the output is a folder of
    tables of so many rows and `predictions.json`; with `resume` finished ones are kept, and the
    bytes are those of a run that was not interrupted.

    Args:
        model: A bundle, or what `adapt export` wrote.
        source: A folder, an image, a CSV or Parquet table with a column `path`, a zip, a tar, a
            pattern of tar shards, or `-` for a list of paths on standard input.
        output: The table, or the folder of its parts.
        settings: See `PredictionSettings`.
        resume: Go on with the parts in the folder.
        overwrite: Replace what is there.

    Raises:
        RecipeError: When the output exists or is of no known format; or a run that goes on has
            another model, source or settings than its beginning.
        DataError: When there is nothing to predict, or the source cannot be read.
        BundleError: When the model cannot be opened.
        RunError: When something cannot be written, or a finished part was altered.
    """
    settings = settings or PredictionSettings()
    output, model = resolve_path(output), resolve_path(model)
    per_part = settings.rows_per_part
    settings = replace(settings, format=table_format(output, settings.format, per_part is not None))
    if per_part is None:
        check_file(output, resume, overwrite)
    source = str(source) if str(source) == LIST else str(resolve_path(source))
    check_other(output, source)
    reading = Reading(source, settings.null)
    items = _some(reading)
    with nullcontext() if per_part is None else run_folder(output, resume, overwrite, PARTS):
        opened = open_model(model, settings.device, settings.precision, settings.trust)
        _check_classes(model, opened, settings)
        settings = replace(settings, device=opened.device)
        correction = _correction(resolve_path(model), opened, settings)
        job = _Job(opened, reading, settings, correction)
        manifest = _begun(output, _made(model, reading.source, settings), resume)
        before = manifest.rows
        left = rest(items, manifest, settings.batch_size, output)
        with opened.kernels():
            if per_part is None:
                job.one_table(left, output, manifest)
            else:
                write_parts(job.tables, job.predictions(left, before), output, manifest, per_part)
                manifest.skipped, manifest.finished = dict(reading.skipped.most_common()), True
                manifest.write(output / NAME)
    return Written(
        output, manifest.rows, manifest.errors, manifest.skipped, settings.device, before
    )


def _check_classes(model: Path, opened: OpenModel, settings: PredictionSettings) -> None:
    """Refuse a model without classes, whose features alone mean something."""
    if without_classes(opened.loaded.class_names) and settings.features is None:
        raise RecipeError(
            f"{model} - answers no classes - it learned from captions - use adapt embed and "
            "adapt search, add --features npy, or train with data.classes"
        )


def check_file(target: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Check that a single table can be written there, before anything else is done.

    Raises:
        RecipeError: When a file is there, or a folder of that name, or it is to be gone on with.
    """
    if target.is_dir():
        raise RecipeError(
            f"{target} - a folder - a file is written - give a name such as "
            f"{target / 'predictions.csv'}, or --rows-per-part"
        )
    if resume:
        raise RecipeError(
            f"--resume - only for a folder of parts - {target} is one file, whole or absent - add "
            "--rows-per-part"
        )
    check_new(target, overwrite=overwrite)


def check_other(output: Path, source: str) -> None:
    """Check that a source is not replaced by its own predictions.

    Raises:
        RecipeError: When both are the same file or folder.
    """
    with suppress(OSError):
        if source != LIST and output.samefile(source):
            raise RecipeError(
                f"{output} - the source itself - predictions would replace it - give another name"
            )


def _some(reading: Reading) -> Iterator[Item]:
    """The items of a source that has any."""
    items = reading.items()
    first = next(items, None)
    if first is None:
        given = first_few(f"{count} {kind}" for kind, count in reading.skipped.items())
        name = "standard input" if reading.source == LIST else reading.source
        raise DataError(
            f"{name} - no images - {given or 'nothing to predict'} - give a folder, "
            "table, archive or list with images"
        )
    return chain([first], items)


def _correction(
    model: Path, opened: OpenModel, settings: PredictionSettings
) -> SetCorrection | None:
    """What the whole set is for, if it is for anything."""
    if settings.transductive is None:
        return None
    return SetCorrection.of(model, opened.loaded, settings)


def _made(model: Path, source: str, settings: PredictionSettings) -> dict[str, Any]:
    """What must be equal for a run to go on."""
    versions = {"adapt": __version__, "torch": torch.__version__}
    return {
        **versions,
        "model": content_hash(listing_path(model)),
        "source": source,
        "settings": asdict(settings),
    }


def _begun(folder: Path, made: dict[str, Any], resume: bool) -> Manifest:
    """The manifest to go on with; a new one is written first, so that others know the folder."""
    path = folder / NAME
    if resume and path.is_file():
        manifest = Manifest.read(path)
        check_same(manifest.made, made, folder)
        return manifest
    manifest = Manifest(made)
    if made["settings"]["rows_per_part"] is not None:
        manifest.write(path)
    return manifest


class _Job:
    """A model that is ready, and what it is to do."""

    def __init__(
        self,
        opened: OpenModel,
        reading: Reading,
        settings: PredictionSettings,
        correction: SetCorrection | None = None,
    ) -> None:
        self.reading, self.settings = reading, settings
        self.predictor = replace(opened.predictor, abstain_below=settings.threshold)
        self.correction = correction
        own, several = opened.loaded.uncertainty, opened.loaded.labelling.several
        if several and (settings.threshold is not None or correction is not None):
            raise RecipeError(
                "--threshold, --transductive - not for several labels per image - each class has "
                "a threshold of its own - leave them out"
            )
        columns = column_names(own, settings.top, settings.threshold, several)
        width = opened.width() if settings.features else 0
        self.tables = Tables(str(settings.format), columns, settings.features, width)

    def predictions(self, left: Rest, before: int = 0) -> Iterator[Prediction]:
        """Of what is left, decoded ahead."""
        own = self.settings
        total = _Total(self.reading.count, before) if told() is not None else 0
        top = own.top if self.correction is None else len(self.predictor.class_names)
        features = own.features is not None or (
            self.correction is not None and self.correction.needs_features
        )
        answers = self.predictor.stream(left.images, own.batch_size, top, processors(), features)
        told_of = track(islice(answers, left.known, None), "predicting", total)
        return told_of if self.correction is None else self.correction.corrected(told_of)

    def one_table(self, left: Rest, output: Path, manifest: Manifest) -> None:
        """One table; its record is there before it."""

        def record(part: Any) -> None:
            skipped = dict(self.reading.skipped.most_common())
            manifest.parts, manifest.skipped, manifest.finished = [part], skipped, True
            manifest.write(output.with_name(f"{output.name}.json"))

        self.tables.write(output, self.predictions(left), record)


class _Total:
    """The number of predictions to come, 0 until it is known; counted beside the work.

    Counting begins when the first prediction is there, which it would hold up.
    """

    def __init__(self, count: Callable[[], int], before: int) -> None:
        self._count, self._before = count, before
        self._total, self._asked = 0, 0

    def __call__(self) -> int:
        self._asked += 1
        if self._asked == 2:
            threading.Thread(target=self._find, daemon=True).start()
        return self._total

    def _find(self) -> None:
        with suppress(DataError):  # the work itself says so
            self._total = max(self._count() - self._before, 0)
