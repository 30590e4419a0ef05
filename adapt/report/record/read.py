"""Reading a run folder into one typed value."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapt.errors import RecipeError, RunError

Row = dict[str, str]
Part = TypeVar("Part")

WHY_ABSENT = {
    "curve.json": "the method has no alpha curve, or the run stopped before it was computed",
    "reliability.json": "the run stored no reliability bins",
    "per_class.csv": "the run stored no per-class scores",
    "confusion.csv": "the run stored no confusion counts",
    "robustness.json": "the run is older than these measures, or stopped before them",
    "uncertainty.json": "the run is older than these measures, or stopped before them",
    "augmentation.json": "training sees no other views than evaluation, or the run is older",
    "few_shot.json": "the recipe names no numbers of images under `few_shot.shots`",
    "ranking.json": "the method is not `auto`",
    "metrics.csv": "the method needs no training, or nothing was logged",
    "mistakes.json": "the run stored no mistakes",
    "environment.json": "the run stored no environment",
    "recipe.yaml": "the run stored no recipe",
}


@dataclass(frozen=True)
class Run:
    """Everything the report reads, as stored.

    Attributes:
      folder: The run folder.
      scores: ``scores.json``.
      curve: ``curve.json``, or None.
      reliability: ``reliability.json``, or None.
      robustness: ``robustness.json``, or None.
      uncertainty: ``uncertainty.json``, or None.
      augmentation: ``augmentation.json``, or None.
      few_shot: ``few_shot.json``, or None.
      ranking: ``ranking.json``, or None.
      per_class: Rows of ``per_class.csv``, or None.
      confusion: Rows of ``confusion.csv``, or None.
      log: Rows of ``metrics.csv``, or None.
      mistakes: ``mistakes.json``, or None.
      environment: ``environment.json``, or None.
      recipe: Text of ``recipe.yaml``, or None.
      absent: For each file that is None above, why.
    """

    folder: Path
    scores: Mapping[str, Any]
    curve: Mapping[str, Any] | None
    reliability: Mapping[str, Any] | None
    robustness: Mapping[str, Any] | None
    uncertainty: Mapping[str, Any] | None
    augmentation: Mapping[str, Any] | None
    few_shot: Mapping[str, Any] | None
    ranking: Mapping[str, Any] | None
    per_class: list[Row] | None
    confusion: list[Row] | None
    log: list[Row] | None
    mistakes: list[Mapping[str, Any]] | None
    environment: Mapping[str, Any] | None
    recipe: str | None
    absent: Mapping[str, str]

    def reason(self, file: str) -> str:
        """Why the parts drawn from ``file`` are not shown, as one sentence without full stop."""
        return self.absent.get(file, f"{file} holds nothing that could be shown here")


def read_run(folder: Path) -> Run:
    """Reads a run folder; only ``scores.json`` must be there.

    Raises:
      RecipeError: There is no ``scores.json``.
      RunError: ``scores.json`` is not a JSON object with ``models``.
    """
    absent: dict[str, str] = {}

    def part(file: str, load: Callable[[Path], Part]) -> Part | None:
        path = folder / file
        if not path.is_file():
            absent[file] = f"{file} is absent: {WHY_ABSENT[file]}"
            return None
        try:
            return load(path)
        except (OSError, ValueError, csv.Error) as error:
            absent[file] = f"{file} cannot be read: {error}"
            return None

    return Run(
        folder=folder,
        scores=_read_scores(folder),
        curve=part("curve.json", _object),
        reliability=part("reliability.json", _object),
        robustness=part("robustness.json", _object),
        uncertainty=part("uncertainty.json", _object),
        augmentation=part("augmentation.json", _object),
        few_shot=part("few_shot.json", _object),
        ranking=part("ranking.json", _object),
        per_class=part("per_class.csv", _rows),
        confusion=part("confusion.csv", _rows),
        log=part("metrics.csv", _rows),
        mistakes=part("mistakes.json", _list),
        environment=part("environment.json", _object),
        recipe=part("recipe.yaml", _text),
        absent=absent,
    )


def number(text: object) -> float | None:
    """The finite number a cell or a JSON value holds, or None.

    >>> number("0.5"), number(""), number(float("nan")), number(None)
    (0.5, None, None, None)
    """
    if text is None or isinstance(text, bool):
        return None
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def mapping(value: object) -> Mapping[str, Any]:
    """A stored JSON object; empty where it is absent, null or something else.

    >>> mapping({"n": 3}), mapping(None), mapping([1])
    ({'n': 3}, {}, {})
    """
    return value if isinstance(value, Mapping) else {}


def _read_scores(folder: Path) -> Mapping[str, Any]:
    path = folder / "scores.json"
    if not path.is_file():
        raise RecipeError(
            f"{folder} - is not a finished run folder - no scores.json in it - "
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
            f"{path} - holds no models - keys {sorted(scores)} - repeat `adapt run` to rewrite it"
        )
    return scores


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _object(path: Path) -> Mapping[str, Any]:
    value = json.loads(_text(path))
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, a {type(value).__name__} was found")
    return value


def _list(path: Path) -> list[Mapping[str, Any]]:
    value = json.loads(_text(path))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("a JSON list of objects was expected")
    return value


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [{key: value or "" for key, value in row.items() if key} for row in rows]
