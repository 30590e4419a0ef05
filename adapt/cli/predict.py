"""Predictions as a CSV file: a folder or table of images in, one row per image out."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from adapt.common.files import safe_cell, write_whole
from adapt.common.progress import track
from adapt.data.sources.folders import walk_images
from adapt.errors import DataError
from adapt.models.classifier import Classifier
from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty

TOP = 5


@dataclass(frozen=True)
class Written:
    """What `predict_to_csv` wrote."""

    path: Path
    images: int
    errors: int


def input_paths(source: Path) -> Iterator[Path]:
    """The images in a folder (at any depth), in the `path` column of a table, or one file.

    Raises:
        DataError: When the source does not exist, or a table has no `path` column.
    """
    if source.is_dir():
        yield from walk_images(source)
    elif source.suffix.lower() in (".csv", ".parquet"):
        yield from _listed(source)
    elif source.is_file():
        yield source
    else:
        raise DataError(
            f"{source} - not found - neither a folder, a table nor an image - check the path"
        )


def _listed(table: Path) -> Iterator[Path]:
    if not table.is_file():
        raise DataError(f"{table} - not found - no such table - check the path")
    frame = (
        pd.read_csv(table, dtype=str, encoding="utf-8-sig")
        if table.suffix.lower() == ".csv"
        else pd.read_parquet(table)
    )
    if "path" not in frame:
        raise DataError(
            f"{table} - no column 'path' - given {list(frame)} - "
            "name the column with the image paths `path`"
        )
    yield from (table.parent / str(path) for path in frame["path"])


def predict_to_csv(
    classifier: Classifier, source: Path, target: Path, batch_size: int = 64
) -> Written:
    """Predict every image and write `path,label,confidence,top5,error`, one row per image.

    An image that cannot be read has an `error` and no label. The file appears when it is complete.
    More columns follow where the bundle stores thresholds: `abstained` (true or false), `set` (the
    classes that cannot be ruled out, most probable first) and `unknown` (true or false).

    Raises:
        DataError: When there is nothing to predict.
        RunError: When the file cannot be written.
    """
    extra = _extra_columns(classifier.uncertainty)
    counts = Counter[bool]()

    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "confidence", "top5", "error", *extra])
            answers = classifier.predict_iter(input_paths(source), batch_size, TOP)
            for prediction in track(answers, "predicting", 0):
                writer.writerow([*_row(prediction), *_extra_cells(prediction, extra)])
                counts[prediction.error is not None] += 1
        if not counts:
            raise DataError(
                f"{source} - no images - nothing to predict - give a folder or table with images"
            )

    write_whole(target, write)
    return Written(target, counts.total(), counts[True])


def _row(prediction: Prediction) -> list[str]:
    if prediction.error is not None:
        return [safe_cell(prediction.source), "", "", "", safe_cell(prediction.error)]
    top = "; ".join(f"{label}={value:.4f}" for label, value in prediction.top)
    return [
        safe_cell(prediction.source),
        safe_cell(prediction.label or ""),
        f"{prediction.confidence:.6f}",
        safe_cell(top),
        "",
    ]


def _extra_columns(uncertainty: Uncertainty | None) -> list[str]:
    stored = uncertainty or Uncertainty()
    thresholds = {
        "abstained": stored.abstain_below,
        "set": stored.conformal_threshold,
        "unknown": stored.unknown_threshold,
    }
    return [name for name, threshold in thresholds.items() if threshold is not None]


def _extra_cells(prediction: Prediction, columns: list[str]) -> list[str]:
    if prediction.error is not None:
        return [""] * len(columns)
    cells = {
        "abstained": str(prediction.abstained).lower(),
        "set": safe_cell("; ".join(prediction.labels)),
        "unknown": str(prediction.unknown).lower(),
    }
    return [cells[name] for name in columns]
