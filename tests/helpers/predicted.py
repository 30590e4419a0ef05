"""Tables of predictions, made as `adapt predict` makes them, and read again."""

import csv
import tempfile
from pathlib import Path
from typing import Any

from adapt.models.classifier import Classifier
from adapt.predictions.run import Written, predict_files
from adapt.predictions.settings import PredictionSettings


def predicted(
    classifier: Classifier,
    source: object,
    output: Path,
    resume: bool = False,
    overwrite: bool = False,
    **settings: Any,
) -> Written:
    """Save a model, and predict with the bundle on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = PredictionSettings(**{"device": "cpu", **settings})
        bundle = classifier.save(Path(folder, "model"))
        return predict_files(bundle, str(source), output, chosen, resume, overwrite)


def table_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but its lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
