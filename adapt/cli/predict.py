"""Predictions as a table: a folder or table of images in, one row per image out."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adapt.common.files import json_text, safe_cell, write_whole
from adapt.common.progress import track
from adapt.common.words import first_few, plural
from adapt.data.sources.folders import IMAGE_SUFFIXES, is_junk, walk_images
from adapt.errors import DataError, RecipeError, did_you_mean
from adapt.export.load import Loaded
from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty

TOP = 5
ROWS = 1024
"""Rows of a Parquet file that are written at once."""
Row = dict[str, Any]
Writer = Callable[[Row], None]


@dataclass(frozen=True)
class Written:
    """What `predict_to_table` wrote."""

    path: Path
    images: int
    errors: int
    skipped: dict[str, int] = field(default_factory=dict)
    """Number of files in the folder that are no images, by suffix."""


def input_paths(source: Path) -> Iterator[Path]:
    """The images in a folder (at any depth), in the `path` column of a table, or one file.

    Raises:
        DataError: When the source does not exist, or a table cannot be read or has no `path`.
    """
    try:
        is_folder, is_file = source.is_dir(), source.is_file()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{source!s:.200} - cannot be read - {reason} - check the path") from error
    if is_folder:
        yield from walk_images(source)
    elif source.suffix.lower() in (".csv", ".parquet"):
        yield from _listed(source)
    elif is_file:
        yield source
    else:
        raise DataError(
            f"{source} - not found - neither a folder, a table nor an image - check the path"
        )


def _listed(table: Path) -> Iterator[Path]:
    if not table.is_file():
        raise DataError(f"{table} - not found - no such table - check the path")
    paths = _csv_paths(table) if table.suffix.lower() == ".csv" else _parquet_paths(table)
    for number, path in enumerate(paths, 1):
        if not isinstance(path, str) or not path.strip() or "\0" in path:
            raise DataError(
                f"{table}, row {number} - no path - given {path!r:.80} - fill the column `path`, "
                "or remove the row"
            )
    yield from (table.parent / path for path in paths)


def _csv_paths(table: Path) -> list[Any]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            rows = list(csv.reader(file, delimiter=max(",;\t", key=header.count), strict=True))
    except UnicodeDecodeError as error:
        advice = "save the table as UTF-8"
        raise DataError(f"{table} - not UTF-8 text - {error.reason} - {advice}") from error
    except (OSError, csv.Error) as error:
        advice = "export it again"
        raise DataError(f"{table} - cannot be read as CSV - {error} - {advice}") from error
    names = rows[0] if rows else []
    column = _path_column(table, names)
    filled = [(number, row) for number, row in enumerate(rows[1:], 1) if any(row)]
    for number, row in filled:
        if len(row) != len(names):
            raise DataError(
                f"{table}, row {number} - wrong number of cells - {len(row)} for {len(names)} "
                "columns - put cells that hold the separator in quotes"
            )
    return [row[column] for _, row in filled]


def _parquet_paths(table: Path) -> list[Any]:
    try:
        names = pq.read_schema(table).names
        column = _path_column(table, names)
        return list(pq.read_table(table, columns=[names[column]]).column(0).to_pylist())
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        advice = "export it again"
        raise DataError(f"{table} - cannot be read as Parquet - {reason} - {advice}") from error


def _path_column(table: Path, names: list[str]) -> int:
    if "path" not in names:
        raise DataError(
            f"{table} - no column 'path' - given {names} - name the column with the image paths "
            "`path`"
        )
    return names.index("path")


def said(written: Written) -> str:
    """What was predicted and what was not, in words.

    >>> said(Written(Path("a.csv"), 3, 1, {".txt": 2}))
    '3 images predicted, 1 of them unreadable, 2 other files skipped (2 .txt)'
    """
    images = f"{plural(written.images, 'image')} predicted, {written.errors} of them unreadable"
    if not written.skipped:
        return images
    kinds = first_few(f"{count} {suffix}" for suffix, count in written.skipped.items())
    return f"{images}, {plural(sum(written.skipped.values()), 'other file')} skipped ({kinds})"


def other_files(source: Path) -> dict[str, int]:
    """How many files in a folder `input_paths` leaves out because they are no images, by suffix."""
    counts = Counter(
        path.suffix.lower() or "no suffix"
        for path in (source.rglob("*") if source.is_dir() else ())
        if path.suffix.lower() not in IMAGE_SUFFIXES and not is_junk(path.name) and path.is_file()
    )
    return dict(counts.most_common())


def check_output(target: Path, overwrite: bool = False) -> str:
    """Whether a table of predictions can be written there; before anything else is done.

    Returns:
        Its format: the suffix.

    Raises:
        RecipeError: When the format is not known, a file is there, or a folder of that name.
    """
    suffix = target.suffix.lower()
    if target.is_dir():
        raise RecipeError(
            f"{target} - a folder - a file is written - give a name such as "
            f"{target / 'predictions.csv'}"
        )
    if suffix not in FORMATS:
        raise RecipeError(
            f"{target} - not a format of tables - {suffix or 'no suffix'!r}"
            f"{did_you_mean(suffix, FORMATS)} - give a name that ends in {', '.join(FORMATS)}"
        )
    if target.exists() and not overwrite:
        raise RecipeError(
            f"{target} - exists - it would be overwritten - add --overwrite, or give another name"
        )
    return suffix


def predict_to_table(
    classifier: Loaded,
    source: Path,
    target: Path,
    batch_size: int = 64,
    overwrite: bool = False,
) -> Written:
    """Predict every image and write `path,label,confidence,top5,error`, one row per image.

    An image that cannot be read has an `error` and no label. The file appears when it is complete;
    its suffix says the format: `.csv`, `.parquet` or `.jsonl` (one JSON object per line). More
    columns follow where the bundle stores thresholds: `abstained` (true or false), `set` (the
    classes that cannot be ruled out, most probable first) and `unknown` (true or false).

    Raises:
        RecipeError: When the target exists or is of no known format.
        DataError: When there is nothing to predict, or the list of images cannot be read.
        RunError: When the file cannot be written.
    """
    suffix = check_output(target, overwrite)
    extra = _extra_columns(classifier.uncertainty)
    counts = Counter[bool]()

    def write(part: Path) -> None:
        with FORMATS[suffix](part, ["path", "label", "confidence", "top5", "error", *extra]) as add:
            answers = classifier.predict_iter(input_paths(source), batch_size, TOP)
            for prediction in track(answers, "predicting", 0):
                add(_row(prediction) | _extra_cells(prediction, extra))
                counts[prediction.error is not None] += 1
        if not counts:
            raise DataError(
                f"{source} - no images - nothing to predict - give a folder or table with images"
            )

    write_whole(target, write)
    return Written(target, counts.total(), counts[True], other_files(source))


@contextmanager
def _csv(part: Path, columns: list[str]) -> Iterator[Writer]:
    with part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()

        def add(row: Row) -> None:
            confidence = row["confidence"]
            number = "" if confidence is None else f"{confidence:.6f}"
            writer.writerow({k: safe_cell(v) for k, v in row.items()} | {"confidence": number})

        yield add


@contextmanager
def _json_lines(part: Path, columns: list[str]) -> Iterator[Writer]:
    with part.open("w", encoding="utf-8", errors="backslashreplace") as file:

        def add(row: Row) -> None:
            file.write(json_text(row, indent=None))

        yield add


@contextmanager
def _parquet(part: Path, columns: list[str]) -> Iterator[Writer]:
    schema = pa.schema(
        [(name, pa.float64() if name == "confidence" else pa.string()) for name in columns]
    )
    rows: list[Row] = []
    with pq.ParquetWriter(part, schema) as writer:

        def send() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        def add(row: Row) -> None:
            # What no UTF-8 can hold, such as the bytes of an old file name, is escaped.
            rows.append({name: _utf8(cell) for name, cell in row.items()})
            if len(rows) == ROWS:
                send()

        yield add
        send()


FORMATS = {".csv": _csv, ".parquet": _parquet, ".jsonl": _json_lines}


def _utf8(cell: Any) -> Any:
    return cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell


def _row(prediction: Prediction) -> Row:
    good = prediction.error is None
    top = "; ".join(f"{label}={value:.4f}" for label, value in prediction.top)
    return {
        "path": prediction.source,
        "label": prediction.label,
        "confidence": prediction.confidence if good else None,
        "top5": top if good else None,
        "error": prediction.error,
    }


def _extra_columns(uncertainty: Uncertainty | None) -> list[str]:
    stored = uncertainty or Uncertainty()
    thresholds = {
        "abstained": stored.abstain_below,
        "set": stored.conformal_threshold,
        "unknown": stored.unknown_threshold,
    }
    return [name for name, threshold in thresholds.items() if threshold is not None]


def _extra_cells(prediction: Prediction, columns: Iterable[str]) -> Row:
    if prediction.error is not None:
        return dict.fromkeys(columns)
    cells = {
        "abstained": str(prediction.abstained).lower(),
        "set": "; ".join(prediction.labels),
        "unknown": str(prediction.unknown).lower(),
    }
    return {name: cells[name] for name in columns}
