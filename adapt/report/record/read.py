"""A run folder, read into one typed value."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapt.errors import RecipeError, RunError
from adapt.report.record.scores import ScoreTable

Row = dict[str, str]
Object = Mapping[str, Any]
_OLDER = "the run is older than these measures, or stopped before them"


@dataclass(frozen=True)
class Absent:
    """Stands where a figure or a table would be.

    Attributes:
        title: What is absent.
        reason: Why, as a sentence without its full stop.
    """

    title: str
    reason: str


@dataclass(frozen=True)
class RunRecord:
    """Everything that the report reads: each field is the file of its name, None where absent.

    Attributes:
        folder: The run folder.
        log: Rows of `metrics.csv`.
        absent: For each file that is None, why.
    """

    folder: Path
    scores: ScoreTable
    curve: Object | None = None
    reliability: Object | None = None
    robustness: Object | None = None
    uncertainty: Object | None = None
    augmentation: Object | None = None
    few_shot: Object | None = None
    ranking: Object | None = None
    prompts: Object | None = None
    towers: Object | None = None
    per_class: list[Row] | None = None
    confusion: list[Row] | None = None
    log: list[Row] | None = None
    mistakes: list[Object] | None = None
    environment: Object | None = None
    timing: Object | None = None
    recipe: str | None = None
    absent: Mapping[str, str] = field(default_factory=dict)

    def lacks(self, file: str) -> bool:
        """Whether a file of the run folder is absent or damaged."""
        return getattr(self, _FIELDS[file]) is None

    def reason(self, file: str) -> str:
        """Why the parts drawn from `file` are not shown, as a sentence without its full stop."""
        return self.absent.get(file, f"{file} holds nothing that could be shown here")


def read_run(folder: Path) -> RunRecord:
    """Read a run folder; only `scores.json` must be there.

    Raises:
        RecipeError: There is no `scores.json`.
        RunError: `scores.json` is not a JSON object with `models`.
    """
    scores, absent, parts = _read_scores(folder), {}, {}
    for file, (load, why) in _FILES.items():
        path = folder / file
        if not path.is_file():
            absent[file] = f"{file} is absent: {why}"
            continue
        try:
            parts[_FIELDS[file]] = load(path)
        except (OSError, ValueError, csv.Error) as error:
            absent[file] = f"{file} cannot be read: {error}"
    return RunRecord(folder, ScoreTable(scores), absent=absent, **parts)


def _read_scores(folder: Path) -> Object:
    path = folder / "scores.json"
    if not path.is_file():
        raise RecipeError(
            f"{folder} - is not a finished run folder - there is no scores.json in it - "
            "give the folder that `adapt run` printed, or repeat the run"
        )
    try:
        scores = _object(path)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} - cannot be read - {error} - repeat `adapt run`; finished parts are reused"
        ) from error
    if not isinstance(scores.get("models"), dict):
        raise RunError(
            f"{path} - holds no models - its keys are {sorted(scores)} - repeat `adapt run` to "
            "write it again"
        )
    return scores


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _object(path: Path) -> Object:
    value = json.loads(_text(path))
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got a {type(value).__name__}")
    return value


def _objects(path: Path) -> list[Object]:
    value = json.loads(_text(path))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("expected a JSON list of objects")
    return value


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [{key: value or "" for key, value in row.items() if key} for row in rows]


_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "curve.json": (
        _object,
        "the method has no alpha curve, or the run stopped before it was computed",
    ),
    "reliability.json": (_object, "the run stored no reliability bins"),
    "robustness.json": (_object, _OLDER),
    "uncertainty.json": (_object, _OLDER),
    "augmentation.json": (
        _object,
        "training sees the same views as evaluation, or the run is older than this figure",
    ),
    "few_shot.json": (_object, "the recipe lists no numbers of images under `few_shot.shots`"),
    "ranking.json": (_object, "the method is not `auto`"),
    "prompts.json": (_object, "the recipe says nothing under `model.prompts`"),
    "towers.json": (_object, "the recipe names none under `model.beside`"),
    "per_class.csv": (_rows, "the run stored no scores per class"),
    "confusion.csv": (_rows, "the run stored no confusion counts"),
    "metrics.csv": (_rows, "the method needs no training, or nothing was logged"),
    "mistakes.json": (_objects, "the run stored no mistakes"),
    "environment.json": (_object, "the run stored no environment"),
    "timing.json": (_object, _OLDER),
    "recipe.yaml": (_text, "the run stored no recipe"),
}
"""How each file is read, and why it may be absent."""
_FIELDS = {file: "log" if file == "metrics.csv" else file.partition(".")[0] for file in _FILES}
